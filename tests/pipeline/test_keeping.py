"""What a run keeps, makes again, refuses and says, run in this process on four clips of tones."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import av
import numpy as np
import pytest
from commands import Command

from dubbench.api import run_to_board
from dubbench.api.run_to_board import join, rescore, run_cell, run_suite
from dubbench.core import plugins
from dubbench.core.clip import Clip
from dubbench.core.spec import parse_spec
from dubbench.datasets.base import DatasetInfo, Problem, Vetted
from dubbench.datasets.roots import open_dataset
from dubbench.datasets.selection import select
from dubbench.errors import DubbenchError
from dubbench.leaderboards import board
from dubbench.pipeline import rescore as rescoring
from dubbench.pipeline.cell import Cell, Resources
from dubbench.pipeline.score_step import OTHER_RECIPE
from dubbench.pipeline.store import Run, journal, read_manifest, read_run
from dubbench.signal.media import mux

MACHINE = Resources(1, "cpu", 120)
SPECS = [parse_spec("ground_truth"), parse_spec("noise")]
CELL = Cell("folder", "all", "2.0", metrics=("duration",))


@pytest.fixture(scope="module")
def tones(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder data set of four clips of a second."""
    root = tmp_path_factory.mktemp("tones")
    with av.open(str(root / "still.mp4"), "w") as output:
        stream = output.add_stream("libx264", rate=25, options={"threads": "1"})
        stream.width = stream.height = 64
        stream.pix_fmt = "yuv420p"
        for _ in range(25):
            output.mux(stream.encode(av.VideoFrame.from_ndarray(np.full((64, 64, 3), 90, np.uint8), format="rgb24")))
        output.mux(stream.encode(None))
    lines = ["clip,speaker,text,video"]
    t = np.arange(16000) / 16000
    for i in range(4):
        wave = np.sign(np.sin(2 * np.pi * (110 + 20 * i) * t)) * np.sin(np.pi * t)
        mux(root / "still.mp4", (0.1 * wave).astype(np.float32), 16000, root / f"c{i}.mp4")
        lines.append(f"c{i},a,tone number {i},c{i}.mp4")
    (root / "clips.csv").write_text("\n".join(lines) + "\n")
    return root


@pytest.fixture
def run(tones: Path, tmp_path: Path) -> Path:
    """A run of `CELL` without a failure."""
    outcome = run_cell(CELL, {"folder": tones}, SPECS, tmp_path / "run", MACHINE)
    assert outcome.failed == 0, outcome.reasons
    return tmp_path / "run"


def table(run: Path) -> str:
    return (run / "board" / "table.csv").read_text()


def test_a_dub_that_was_changed_is_not_scored_and_is_made_again(run: Path, tones: Path) -> None:
    before = table(run)
    shutil.copy(run / "dubs/noise/c1.wav", run / "dubs/noise/c0.wav")
    (run / "dubs/noise/c2.wav").unlink()
    outcome = rescore([run], "", (), None, MACHINE)
    assert outcome.failed == 2
    assert outcome.reasons[0][0].startswith("noise: its wav was changed or removed after it was made")
    assert table(run) != before
    assert run_cell(CELL, {"folder": tones}, SPECS, run, MACHINE).failed == 0
    assert table(run) == before


def test_scoring_anew_keeps_the_other_columns(run: Path) -> None:
    before = [line for line in table(run).splitlines() if "duration" in line]
    outcome = rescore([run], "", ("pitch",), None, MACHINE)
    assert outcome.failed == 0
    after = table(run).splitlines()
    assert set(before) <= set(after)
    assert sum(",FFE," in line for line in after) == 2
    assert read_manifest(run).chosen == ("duration", "pitch")
    kept = len(list(journal(run).read()))
    assert rescore([run], "", (), None, MACHINE).failed == 0
    assert len(list(journal(run).read())) == kept  # nothing was scored again
    assert table(run).splitlines() == after


def test_columns_of_a_recipe_that_is_not_here_stay_as_they_are(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = [line for line in table(run).splitlines() if "duration" in line]
    monkeypatch.setattr(rescoring, "_signature_here", lambda name: "duration/of-tomorrow|v9|00000000")
    rescore([run], "", ("pitch",), None, MACHINE)
    assert set(before) <= set(table(run).splitlines())
    path = journal(run).path
    lines = path.read_text().splitlines(keepends=True)
    lost = next(line for line in lines if '"noise","clip":"c1","metric":"duration"' in line)
    path.write_text("".join(line for line in lines if line != lost))
    rescore([run], "", ("pitch",), None, MACHINE)
    told = {(s.system, s.clip): s.reason for s in read_run(run).scores if s.metric == "duration" and s.reason}
    assert told == {("noise", "c1"): OTHER_RECIPE}
    rescore([run], "", ("duration",), None, MACHINE)  # asked for by name, it is today's
    assert set(before) <= set(table(run).splitlines())


def test_a_metric_that_was_uninstalled_stays_as_it_is(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rescore([run], "", ("pitch",), None, MACHINE)
    before = table(run)
    here = dict(plugins._entries("metrics"))
    monkeypatch.setattr(plugins, "_entries", lambda group: here)
    for name in ("duration", "pitch"):  # first one of the two that were chosen, then both
        del here[name]
        assert rescore([run], "", (), None, MACHINE).failed == 0
        assert table(run) == before
        assert read_manifest(run).chosen == ("duration", "pitch")


def test_rows_that_are_no_clips_count(dubbench: Command, tones: Path, tmp_path: Path) -> None:
    root = tmp_path / "some"
    shutil.copytree(tones, root)
    with (root / "clips.csv").open("a") as file:
        file.write("c4,a,,c0.mp4\nc5,a,gone,../c5.mp4\nc0,a,again,c1.mp4\n")
    cell = ("--dataset", "folder", "--root", root, "-m", "duration", "--out", "run")
    done = dubbench("synth", *cell, "-s", "noise")
    assert done.returncode == 3
    assert "no clip: c4: clips.csv line 6: no text" in done.stderr
    done = dubbench("score", "run")
    assert done.returncode == 3
    assert done.stdout.count("failed (1): no clip of folder: ") == 3
    assert "**3 rows of the data set could not become clips:**" in (tmp_path / "run/board/table.md").read_text()
    assert "there twice" in (tmp_path / "run/board/index.html").read_text()


def test_clips_that_were_cut_short_are_named(tones: Path, tmp_path: Path) -> None:
    root = tmp_path / "some"
    shutil.copytree(tones, root)
    mux(root / "still.mp4", np.full(11200, 0.1, np.float32), 16000, root / "early.mp4")
    with av.open(str(root / "early.mp4")) as source, av.open(str(root / "torn.mkv"), "w") as output:
        streams = {s.index: output.add_stream_from_template(s) for s in source.streams}
        for packet in source.demux():
            if packet.dts is not None:
                packet.stream = streams[packet.stream_index]
                output.mux(packet)
    content = (root / "torn.mkv").read_bytes()
    (root / "torn.mkv").write_bytes(content[: len(content) // 2])
    with (root / "clips.csv").open("a") as file:
        file.write("early,a,early,early.mp4\ntorn,a,torn,torn.mkv\n")
    outcome = run_cell(CELL, {"folder": root}, [parse_spec("silence")], tmp_path / "run", MACHINE)
    found = [(reason, count) for reason, count in outcome.reasons if not reason.startswith("silence: its reference")]
    ((reason, count),) = found
    assert count == 1
    assert reason.startswith(f"silence: {root / 'torn.mkv'}: cut short, it ends at 0.")
    (told,) = outcome.notes
    assert "sound and picture of 1 of 6 clips end more than 0.1 s apart (in early the sound ends 0.30 s before" in told
    assert told in (tmp_path / "run/board/index.html").read_text()


class Careless:
    """A data set that checks nothing."""

    info = DatasetInfo(name="careless")
    root = Path("somewhere")

    def clips(self) -> list[Clip]:
        names = ("b", "a", "../x", "a", "ok-ä", ".hidden", "")
        return [Clip(name, "careless", "s", "text", Path(f"{i}.mp4")) for i, name in enumerate(names)]

    def problems(self) -> list[Problem]:
        return [Problem("row 9", "torn")]

    def split(self, name: str) -> list[str] | None:
        return ["a"] if name == "test" else None


def test_ids_of_any_data_set_are_checked() -> None:
    data = Vetted(Careless())
    assert [clip.id for clip in data.clips()] == ["a", "b", "ok-ä"]
    assert data.clips()[0].video == Path("1.mp4")
    assert [p.clip for p in data.problems()] == ["''", "'../x'", "'.hidden'", "a", "row 9"]
    assert [clip.id for clip in select(data, "test").clips] == ["a"]


def test_a_list_is_known_by_its_ids_not_by_its_place(tones: Path, tmp_path: Path) -> None:
    names = set()
    for folder, text in (("x", "c0\nc3\n"), ("y", "# mine\nc3.mp4\nc0|0\n"), ("z", "c0\nc2\n")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "few.txt").write_text(text)
        names.add(select(Vetted(open_dataset("folder", {"folder": tones})), str(tmp_path / folder / "few.txt")).name)
    assert len(names) == 2
    assert all(name.startswith("list:few@") for name in names)


def test_a_suite_goes_on_without_the_cells_that_fail(
    tones: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cells = (("grid", "1.0"), ("folder", "9.0"), ("folder", "1.0"), ("folder", "2.0"))
    monkeypatch.setitem(run_to_board.SUITES, "some", cells)
    roots = {"folder": tones, "grid": tmp_path / "nowhere"}
    outcome = run_suite("some", CELL, roots, SPECS, tmp_path / "suite", MACHINE)
    assert outcome.failed == 0
    assert [line.split(":")[0] for line in outcome.missing] == ["grid 1.0", "folder 9.0"]
    assert "nowhere" in outcome.missing[0] and "no setting '9.0'" in outcome.missing[1]
    settings = {line.split(",")[3] for line in table(tmp_path / "suite").splitlines()[1:]}
    assert settings == {"1.0", "2.0"}
    text = (tmp_path / "suite/board/table.md").read_text()
    assert text.count("**Missing:**") == 2
    with pytest.raises(DubbenchError, match=r"no cell can be run; grid 1\.0"):
        monkeypatch.setitem(run_to_board.SUITES, "none", cells[:2])
        run_suite("none", CELL, roots, SPECS, tmp_path / "none", MACHINE)
    assert not (tmp_path / "none").exists()


def test_the_suite_from_the_command_line(dubbench: Command, tones: Path, tmp_path: Path) -> None:
    for arguments, message in (
        (("--suite", "papers"), "no suite named 'papers'; there are paper, quick"),
        (("--suite", "paper", "--root", "DIR"), "say whose folder it is, for example --root chem=DIR"),
        (("--suite", "paper", "--root", "gird=DIR"), "no data set 'gird' is used here, but chem and grid"),
        (("--suite", "paper", "--pairing", "x.csv"), "leave --suite out"),
        (("--suite", "paper", "--root", "grid=a", "--root", "chem=b"), "no folder a"),
    ):
        done = dubbench("run", *arguments, "-s", "noise")
        assert done.returncode == 2
        (line,) = done.stderr.splitlines()
        assert message in line


def test_two_runs_on_one_board(run: Path, tones: Path, dubbench: Command, tmp_path: Path) -> None:
    run_cell(CELL, {"folder": tones}, [parse_spec("silence")], tmp_path / "other", MACHINE)
    done = dubbench("board", "run", "other", "--out", "both")
    assert done.returncode == 0, done.stderr
    rows = [line.split(",")[0] for line in (tmp_path / "both/table.csv").read_text().splitlines()[1:]]
    assert set(rows) == {"ground_truth", "noise", "silence"}
    assert "not ranked together" not in (tmp_path / "both/table.md").read_text()


def test_a_second_run_in_one_folder_says_who_is_first(run: Path, tones: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path; from dubbench.runtime.files import held\n"
        "with held(Path(sys.argv[1])): print('held', flush=True); time.sleep(120)"
    )
    other = subprocess.Popen([sys.executable, "-c", code, str(run)], stdout=subprocess.PIPE, text=True)
    assert other.stdout is not None and other.stdout.readline() == "held\n"
    try:
        for again in (
            lambda: run_cell(CELL, {"folder": tones}, SPECS, run, MACHINE),
            lambda: rescore([run], "", (), None, MACHINE),
        ):
            with pytest.raises(DubbenchError, match=f"in use by process {other.pid} "):
                again()
    finally:
        other.kill()
        other.wait()
    assert rescore([run], "", (), None, MACHINE).failed == 0


def test_the_board_is_written_while_the_run_is_held(
    run: Path, tones: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever would write the same board meanwhile is told who writes it."""
    write, refused = board.write_board, []

    def refuse(home: Path) -> None:
        with pytest.raises(DubbenchError, match=f"{home} is in use by process {os.getpid()} .*give another --out"):
            join([run], home / "board")
        refused.append(home)

    def writing(runs: Sequence[Run], out: Path, **options: Sequence[str]) -> Path:
        monkeypatch.setattr(board, "write_board", write)
        refuse(out.parent)
        join([run], tmp_path / "elsewhere")  # a board of one's own hinders nobody
        page = write(runs, out, **options)
        monkeypatch.setattr(board, "write_board", writing)
        return page

    monkeypatch.setattr(board, "write_board", writing)
    run_cell(CELL, {"folder": tones}, SPECS, run, MACHINE)
    monkeypatch.setitem(run_to_board.SUITES, "some", (("folder", "1.0"),))
    suite = tmp_path / "suite"
    run_suite("some", CELL, {"folder": tones}, SPECS, suite, MACHINE)
    rescore([run, run], "", (), None, MACHINE)
    rescore([run], "", (), suite / "board", MACHINE)
    assert refused == [run, suite, run, suite]
    join([run], None)


@pytest.fixture
def tiny(tmp_path: Path) -> Iterator[Path]:
    """A file system of 900 KiB."""
    place = tmp_path / "tiny"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=900k", "tmpfs", str(place)]
    if not shutil.which("mount") or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("no right to mount a small file system; tests/test_store.py makes the disk look full")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def test_a_full_disk_loses_nothing(dubbench: Command, tones: Path, tiny: Path, run: Path) -> None:
    systems = ("-s", "ground_truth", "-s", "noise", "-s", "silence", "-s", "shuffled", "-s", "delay")
    cell = ("--dataset", "folder", "--root", tones, "--split", "all", "-m", "duration", "--workers", 1)
    done = dubbench("run", *cell, *systems, "--out", tiny / "run")
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    assert done.stderr.splitlines()[-1].startswith("dubbench: ")
    assert "No space left on device; what was done is kept, the same command goes on" in done.stderr
    made = sorted(path.stat().st_mtime_ns for path in (tiny / "run" / "dubs").rglob("*.wav"))
    assert 0 < len(made) < 20
    subprocess.run(["mount", "-o", "remount,size=20m", str(tiny)], check=True)
    done = dubbench("run", *cell, *systems, "--out", tiny / "run")
    assert done.returncode == 0, done.stderr
    after = sorted(path.stat().st_mtime_ns for path in (tiny / "run" / "dubs").rglob("*.wav"))
    assert len(after) == 20
    assert after[: len(made)] == made
    for line in table(run).splitlines()[1:]:
        assert line in table(tiny / "run").splitlines()
