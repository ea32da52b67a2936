"""How scoring goes on around a metric whose process hangs or dies."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from dubbench.core.clip import Clip
from dubbench.pipeline import score_worker
from dubbench.pipeline.score_worker import DUBS, GIVE_UP, ClipTask, DubToScore, passes, score
from dubbench.pipeline.store import ScoreRow
from dubbench.runtime.files import Journal
from dubbench.runtime.worker_pool import Crash

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
