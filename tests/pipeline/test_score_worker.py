"""How scoring goes on around a metric whose process hangs or dies."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from dubbench.core.clip import Clip
from dubbench.core.metric import Column, Item, Mean, MetricBase, MetricInfo
from dubbench.pipeline import score_worker
from dubbench.pipeline.score_worker import CUT, DUBS, ClipTask, DubToScore, passes, score, score_key
from dubbench.pipeline.store import ClipRow, DubRow, ScoreRow
from dubbench.runtime.files import Journal
from dubbench.runtime.worker_pool import GIVE_UP, Crash
from dubbench.signal.media import write_wav

CLIPS = [f"c{i}" for i in range(8)]


def work_of(clip: str) -> ClipTask:
    jobs = tuple(
        DubToScore(s, Path("x.wav"), "", (("good", f"{clip}{s}g"), ("bad", f"{clip}{s}b"))) for s in ("one", "two")
    )
    return ClipTask(Clip(clip, "d", "s", "text", Path("v.mkv")), 1.0, 25.0, None, "", None, jobs, "cpu")


def row(item: ClipTask, job: DubToScore, metric: str, key: str) -> ScoreRow:
    return ScoreRow(system=job.system, clip=item.clip.id, metric=metric, key=key, stats={"x": 1.0})


@pytest.mark.parametrize("bad_on", [set(CLIPS), {"c3"}])
def test_a_bad_metric_costs_only_its_own_rows(
    bad_on: set[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries: list[tuple[str, int]] = []

    def each(
        function: Callable[[ClipTask], list[ScoreRow]], tasks: Iterable[ClipTask], *, workers: int, timeout: object
    ) -> Iterator[tuple[ClipTask, list[ScoreRow] | Crash]]:
        for item in tasks:
            wanted = [(job, *pair) for job in item.jobs for pair in job.wanted]
            if item.clip.id in bad_on and any(metric == "bad" for _, metric, _ in wanted):
                tries.append((item.clip.id, len(wanted)))
                yield item, Crash("no answer within 9 s")
            else:
                yield item, [row(item, *one) for one in wanted]

    monkeypatch.setattr(score_worker, "each", each)
    book = Journal(tmp_path / "scores.jsonl", ScoreRow)
    done: dict[str, int] = {}

    def told(item: ClipTask, rows: list[ScoreRow]) -> None:
        assert item.clip.id not in done
        done[item.clip.id] = len(rows)

    score([work_of(clip) for clip in CLIPS], book, workers=1, timeout=9, done=told)
    assert done == dict.fromkeys(CLIPS, 4)
    rows = list(book.read())
    assert len({(r.system, r.clip, r.metric) for r in rows}) == len(rows) == 32
    good = [r for r in rows if r.metric == "good" or r.clip not in bad_on]
    assert all(r.stats and not r.reason for r in good)
    broken = [r for r in rows if r.error]
    assert {r.clip for r in broken} == bad_on
    assert all("no answer within 9 s" in r.reason for r in broken)
    whole, single = ([clip for clip, count in tries if (count == 4) == w] for w in (True, False))
    assert len(whole) == min(GIVE_UP, len(bad_on))
    assert len(single) == (GIVE_UP if len(bad_on) > 1 else 2)


def test_metrics_with_large_models_have_a_pass_of_their_own() -> None:
    wanted = tuple((name, name) for name in ("align", "lse", "utmos", "secs", "lse-direct", "wer"))
    assets = {"lse": ("syncnet", "s3fd"), "lse-direct": ("syncnet", "s3fd"), "utmos": ("utmos22",), "wer": ("whisper",)}
    both = replace(work_of("a"), jobs=(DubToScore("one", None, "", wanted), DubToScore("two", None, "", wanted[:1])))
    light = replace(work_of("b"), jobs=(DubToScore("one", None, "", wanted[:1]),))
    turns = list(passes([both, light], lambda name: assets.get(name, ())))
    assert [name for name, _ in turns] == ["", "lse, lse-direct", "utmos", "wer"]
    found = [
        [(item.clip.id, job.system, name) for item in part for job in item.jobs for name, _ in job.wanted]
        for _, part in turns
    ]
    assert found == [
        [("a", "one", "align"), ("a", "one", "secs"), ("a", "two", "align"), ("b", "one", "align")],
        [("a", "one", "lse"), ("a", "one", "lse-direct")],
        [("a", "one", "utmos")],
        [("a", "one", "wer")],
    ]
    assert not list(passes([], lambda name: ()))


def test_the_time_limit_grows_with_the_dubs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    limits: list[float] = []

    def each(
        function: object, tasks: Iterable[ClipTask], *, workers: int, timeout: Callable[[ClipTask], float]
    ) -> Iterator[tuple[ClipTask, list[ScoreRow]]]:
        for item in tasks:
            limits.append(timeout(item))
            yield item, []

    monkeypatch.setattr(score_worker, "each", each)
    job = work_of("a").jobs[0]
    work = [replace(work_of("a"), jobs=(job,) * count) for count in (1, DUBS, DUBS + 1)]
    score(work, Journal(tmp_path / "scores.jsonl", ScoreRow), workers=1, timeout=9, done=lambda item, rows: None)
    assert limits == [9, 9, 18]


class Charging(MetricBase):
    """Charges a failed dub, and tells how much of a dub it got."""

    info = MetricInfo(name="charging", recipe="charging/x")
    columns = (Column(name="x", direction="none", aggregate=Mean(value="x")),)

    def score(self, item: Item) -> dict[str, float]:
        return {"x": item.dub.duration, "whole": item.length}

    def failed(self, clip: Clip) -> dict[str, float]:
        return {"x": 6.0}


def test_a_clip_that_cannot_be_used_is_charged_to_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(score_worker._metrics, "charging", Charging())
    job = DubToScore("one", None, "the system failed", (("charging", "key"),))
    task = ClipTask(Clip("c", "d", "s", "text", Path("v.mkv")), 1.0, 25.0, None, "", None, (job,), "cpu")
    (charged,) = score_worker._score(task)
    (free,) = score_worker._score(replace(task, problem="v.mp4: damaged"))
    assert charged.stats == {"x": 6.0}
    assert not free.stats and not free.error and free.reason == "the clip cannot be used: v.mp4: damaged"
    row = ClipRow(id="c", speaker="s", text="text", video="v.mp4", digest="d", duration=3.0)
    broken, dub = (
        row.model_copy(update={"problem": "damaged"}),
        DubRow(system="one", clip="c", key="k", reason="damaged"),
    )
    assert score_key("m", "r", row, dub) != score_key("m", "r", broken, dub)


def test_a_dub_without_an_end_costs_no_more_than_its_clip_allows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(score_worker._metrics, "charging", Charging())
    write_wav(tmp_path / "long.wav", np.full(60 * 8000, 0.1, np.float32), 8000)
    job = DubToScore("one", tmp_path / "long.wav", "", (("charging", "key"),))
    task = ClipTask(Clip("c", "d", "s", "text", Path("v.mkv")), 3.0, 25.0, None, "", None, (job,), "cpu")
    (row,) = score_worker._score(task)
    assert row.stats == {"x": 8.0, "whole": 60.0, CUT: 8.0}
