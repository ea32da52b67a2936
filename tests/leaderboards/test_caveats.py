"""Floors of similarities, and the banner where LSE-C was compared over other lengths."""

from pathlib import Path

import pytest
from fake_run import Fake, build, control, fakes

from dubbench.core.metric import Column, MetricInfo
from dubbench.leaderboards.board import write_board
from dubbench.leaderboards.caveats import APART
from dubbench.metrics.emo_sim import EmoSIM
from dubbench.metrics.lse import LSE
from dubbench.pipeline.store import MetricEntry, Run, ScoreRow, read_run, write_manifest, write_scores


def with_lse(run: Run, seconds: dict[str, float]) -> Run:
    """The run with LSE's own columns, each system compared over ``seconds`` a track."""
    columns = LSE.columns
    rows = [
        ScoreRow(
            system=system,
            clip=clip.id,
            metric="lse",
            key=f"{system}-{number}",
            stats={"confidence": 7.0, "distance": 7.0, "distance_at_zero": 7.0, "offset": 0, "seconds": s, "tracks": 1},
        )
        for system, s in seconds.items()
        for number, clip in enumerate(run.manifest.clips)
    ]
    return added(run, "lse", columns, rows)


def with_emo_sim(run: Run, values: dict[str, float]) -> Run:
    rows = [
        ScoreRow(
            system=system, clip=clip.id, metric="emo-sim", key=f"{system}-{i}", stats={"emo_sim": min(1.0, v + i / 1e4)}
        )
        for system, v in values.items()
        for i, clip in enumerate(run.manifest.clips)
    ]
    return added(run, "emo-sim", EmoSIM.columns, rows)


def added(run: Run, metric: str, columns: tuple[Column, ...], rows: list[ScoreRow]) -> Run:
    entry = MetricEntry(info=MetricInfo(name=metric, recipe=metric), columns=columns, signature=f"{metric}-1")
    manifest = run.manifest.model_copy(update={"metrics": {**run.manifest.metrics, metric: entry}})
    write_manifest(run.path, manifest)
    write_scores(run.path, manifest, [*run.scores, *rows])
    return read_run(run.path)


def small(folder: Path, *systems: str, **more: str) -> Run:
    every = {**fakes(), "another_clip": Fake(*control("another_clip"))}
    chosen = {name: every[name] for name in systems}
    return build(folder, clips=6, systems=chosen, metrics=["secs"], media=False, **more)  # type: ignore[arg-type]


def texts(board: Path) -> list[str]:
    return [path.read_text(encoding="utf-8") for path in (board, board.parent / "table.md")]


@pytest.mark.parametrize(("shorter", "told"), [(2.96 / APART + 0.01, False), (2.96 / APART - 0.01, True)])
def test_other_lengths_in_one_table_are_told(tmp_path: Path, shorter: float, told: bool) -> None:
    run = small(tmp_path / "run", "model-a", "model-b", "delay(ms=100)")
    seconds = {"model-a": shorter, "model-b": 2.96, "delay(ms=100)": 0.3}  # a control never ranks
    for text in texts(write_board([with_lse(run, seconds)], tmp_path / "out", players=0)):
        line = f"that differs here: model-a {shorter:.2f} s, model-b 2.96 s a track on average (LSE-seconds)"
        assert (line in text) == told
        assert ("Do not rank them by LSE-C" in text) == told
    assert (text.count("\n> **LSE-C grows") == 1) == told  # a quotation of its own in table.md


def test_joined_runs_are_one_table(tmp_path: Path) -> None:
    runs = [
        with_lse(small(tmp_path / name, name), {name: seconds})
        for name, seconds in (("model-a", 2.96), ("model-b", 1.2))
    ]
    for text in texts(write_board(runs, tmp_path / "out", players=0)):
        assert "model-b 1.20 s, model-a 2.96 s a track" in text


@pytest.mark.parametrize(("other", "told"), [(2.9, False), (4.4, True)])
def test_other_lengths_between_tables_are_told(tmp_path: Path, other: float, told: bool) -> None:
    runs = [
        with_lse(small(tmp_path / "a", "model-a"), {"model-a": 2.96}),
        with_lse(small(tmp_path / "b", "model-b", pairing="other"), {"model-b": other}),
    ]
    for text in texts(write_board(runs, tmp_path / "out", players=0)):
        assert "are not ranked together" in text
        line = f"“grid · test · Setting 2.0 (1)” 2.96 s, “grid · test · Setting 2.0 (2)” {other:.2f} s a track"
        assert (line in text) == told
        assert "Do not rank them" not in text


def test_without_lse_nothing_is_told(tmp_path: Path) -> None:
    for text in texts(write_board([small(tmp_path / "run", "model-a")], tmp_path / "out", players=0)):
        assert "grows with the length" not in text and "floor" not in text.partition("<style>")[0]


def test_a_similarity_shows_its_floor(tmp_path: Path) -> None:
    values = {"model-a": 0.975, "ground_truth": 1.0, "another_clip": 0.931}
    run = with_emo_sim(small(tmp_path / "run", *values), values)
    page, table = texts(write_board([run], tmp_path / "out", players=0))
    assert "Emo-SIM ↑ (floor 0.931)" in table
    assert '<span class="unit">floor 0.931</span>' in page
    assert "floor 0.931: another_clip, another sentence in the same voice" in page
    assert "SECS ↑ (%)" in table  # declares nothing of another clip
    lone = with_emo_sim(small(tmp_path / "lone", "model-a"), {"model-a": 0.975})
    for text in texts(write_board([lone], tmp_path / "lone-out", players=0)):
        assert "Emo-SIM" in text and "floor 0" not in text
