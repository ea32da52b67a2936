"""Bundles: packed without private paths, refused when hostile, scored again, shown on a board."""

import hashlib
import json
import shutil
import stat
import zipfile
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest
from fake_run import tone

from dubbench.api.run_to_board import run_cell
from dubbench.core.spec import Spec, parse_spec
from dubbench.errors import DubbenchError
from dubbench.leaderboards.submissions import archive, export
from dubbench.leaderboards.submissions.gallery import gallery
from dubbench.leaderboards.submissions.pack import bundle
from dubbench.leaderboards.submissions.private import Private
from dubbench.leaderboards.submissions.unpack import unpack
from dubbench.leaderboards.submissions.verify import told, verify
from dubbench.pipeline.cell import Cell, Resources
from dubbench.pipeline.store import ledger, read_run
from dubbench.runtime.digests import file_digest
from dubbench.signal.media import mux, write_wav

MACHINE = Resources(1, "cpu", 120)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data set of four clips in ``data``, finished dubs in a private place, and a run of them in ``run``."""
    home = tmp_path_factory.mktemp("home")
    data, dubs = home / "data", home / "secret-project" / "dubs"
    data.mkdir()
    with av.open(str(data / "still.mp4"), "w") as output:
        stream = output.add_stream("libx264", rate=25, options={"threads": "1"})
        stream.width = stream.height = 64
        stream.pix_fmt = "yuv420p"
        for _ in range(25):
            output.mux(stream.encode(av.VideoFrame.from_ndarray(np.full((64, 64, 3), 90, np.uint8), format="rgb24")))
        output.mux(stream.encode(None))
    lines = ["clip,speaker,text,video"]
    for i in range(4):
        mux(data / "still.mp4", tone(110 + 20 * i, 1.0), 16000, data / f"c{i}.mp4")
        lines.append(f"c{i},a,<b>tone</b> number {i},c{i}.mp4")
        if i:  # the first has no dub
            write_wav(dubs / f"c{i}.wav", tone(150 + 20 * i, 0.8), 16000)
    (data / "still.mp4").unlink()
    (data / "clips.csv").write_text("\n".join(lines) + "\n")
    specs = [parse_spec("ground_truth"), parse_spec("noise"), Spec("precomputed", (str(dubs),))]
    run_cell(Cell("folder", "all", "2.0", metrics=("duration",)), {"folder": data}, specs, home / "run", MACHINE)
    return home


@pytest.fixture
def packed(home: Path, tmp_path: Path) -> Path:
    (tmp_path / "sent").mkdir()
    bundle(home / "run", tmp_path / "sent" / "ours.zip")
    return tmp_path / "sent" / "ours.zip"


def changed(source: Path, target: Path, change: Callable[[dict[str, bytes]], object], honest: bool = True) -> Path:
    """A bundle with other parts; an honest one has the digests of what is in it."""
    with zipfile.ZipFile(source) as archived:
        parts = {name: archived.read(name) for name in archived.namelist()}
    change(parts)
    if honest:
        folder = target.with_suffix("")
        for name in [name for name in parts if name != archive.LIST]:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(parts[name])
        archive.write_archive(target, {name: folder / name for name in parts if name != archive.LIST})
    else:
        with zipfile.ZipFile(target, "w") as out:
            for name, payload in parts.items():
                out.writestr(name, payload, zipfile.ZIP_DEFLATED)
    return target


def test_a_bundle_holds_the_run_and_no_private_path(home: Path, packed: Path, tmp_path: Path) -> None:
    (tmp_path / "x").mkdir()
    opened = unpack(packed, tmp_path / "x")
    own, sent = read_run(home / "run"), opened.run
    assert [c.digest for c in sent.manifest.clips] == [c.digest for c in own.manifest.clips]
    assert [row.digest for row in sent.dubs] == [row.digest for row in own.dubs]
    assert [row.stats for row in sent.scores] == [row.stats for row in own.scores]
    assert sent.manifest.comparability == own.manifest.comparability
    assert list(sent.manifest.systems)[2] == "precomputed(…/dubs)" and sent.manifest.clips[1].video == "ROOT/c1.mp4"
    for part in (tmp_path / "x").rglob("*"):
        for word in (str(home), "secret-project", home.name):
            assert word not in str(part.relative_to(tmp_path)), part
            assert part.suffix not in (".json", ".jsonl") or word not in part.read_text(), part
    again = tmp_path / "again.zip"
    bundle(home / "run", again)
    assert again.read_bytes() == packed.read_bytes()


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("precomputed(/home/ann/x/dubs)", "precomputed(…/dubs)"),
        ("cannot read '/home/ann/My Data/a b.wav': gone", "cannot read '…/a b.wav': gone"),
        (r"C:\Users\ann\dubs\a.wav and \\box\share\b.wav", "…/a.wav and …/b.wav"),
        ("/data/grid/s1/a.mp4 of https://example.org/a/b", "ROOT/s1/a.mp4 of https://example.org/a/b"),
        ("and/or 3 km/h 1/2", "and/or 3 km/h 1/2"),
        ("/data/grid2/x.wav", "…/x.wav"),
    ],
)
def test_paths_are_taken_out_of_texts(text: str, shown: str, tmp_path: Path) -> None:
    assert Private(tmp_path, "/data/grid").text(text) == shown


def test_numbers_hold_and_a_changed_number_is_found(home: Path, packed: Path, tmp_path: Path) -> None:
    report = verify(packed, [str(home / "data")], MACHINE)
    assert (report.verdict, len(report.clips), report.differences) == ("holds", 4, ())
    assert report.compared == report.equal == 4 * 3 * len(read_run(home / "run").manifest.metrics["duration"].columns)
    assert told(report)[-1] == "the numbers hold"

    def better(parts: dict[str, bytes]) -> None:
        import pyarrow as pa
        import pyarrow.compute as pc
        import pyarrow.parquet as pq

        table = pq.read_table(pa.BufferReader(parts["scores.parquet"]))
        at = table.schema.get_field_index("value")
        sink = pa.BufferOutputStream()
        pq.write_table(table.set_column(at, "value", pc.multiply(table["value"], 0.5)), sink)
        parts["scores.parquet"] = sink.getvalue().to_pybytes()

    report = verify(changed(packed, tmp_path / "better.zip", better), [str(home / "data")], MACHINE, sample=2)
    assert report.verdict == "fails" and len(report.clips) == 2
    assert all(d.claimed == pytest.approx(d.found / 2) for d in report.differences if d.claimed and d.found)
    assert "precomputed(…/dubs)" in {d.system for d in report.differences}
    assert "do NOT hold" in told(report)[-1]


def test_without_the_data_nothing_is_said_to_hold(home: Path, packed: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    for file in (home / "data").iterdir():
        (other / file.name).write_bytes(file.read_bytes())
    (other / "clips.csv").write_text((home / "data" / "clips.csv").read_text().replace("number", "no"))
    report = verify(packed, [str(other)], MACHINE)
    assert report.verdict == "unchecked" and "not the one that was dubbed" in report.skipped[0]
    report = verify(packed, [str(tmp_path / "nowhere")], MACHINE)
    assert report.verdict == "unchecked" and "no clip scored again" in report.skipped[0]


def test_a_metric_from_a_file_is_never_loaded(home: Path, packed: Path, tmp_path: Path) -> None:
    trap = tmp_path / "trap.py"
    trap.write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\nclass M: pass\n")

    def rename(parts: dict[str, bytes]) -> None:
        manifest = json.loads(parts["run.json"])
        manifest["metrics"] = {f"{trap}:M": manifest["metrics"]["duration"]}
        parts["run.json"] = json.dumps(manifest).encode()

    report = verify(changed(packed, tmp_path / "file.zip", rename), [str(home / "data")], MACHINE)
    assert report.verdict == "unchecked" and "no such metric" in report.skipped[0]
    assert not (tmp_path / "ran").exists()


def add(name: str, payload: bytes = b"x", mode: int = stat.S_IFREG | 0o644) -> Callable[[Path, Path], None]:
    def make(source: Path, target: Path) -> None:
        target.write_bytes(source.read_bytes())
        with zipfile.ZipFile(target, "a") as out:
            entry = zipfile.ZipInfo(name)
            entry.external_attr = mode << 16
            out.writestr(entry, payload, zipfile.ZIP_DEFLATED)

    return make


def torn(source: Path, target: Path) -> None:
    target.write_bytes(source.read_bytes()[:-400])


def other_bytes(source: Path, target: Path) -> None:
    changed(source, target, lambda parts: parts.update({"dubs.jsonl": parts["dubs.jsonl"] + b"\n"}), honest=False)


def formula(source: Path, target: Path) -> None:
    def rename(parts: dict[str, bytes]) -> None:
        for name in ("run.json", "dubs.jsonl"):
            parts[name] = parts[name].replace(b'"noise"', b'"=1+1"')

    changed(source, target, rename)


def other_dub(source: Path, target: Path) -> None:
    def swap(parts: dict[str, bytes]) -> None:
        parts["dubs/noise/c1.wav"] = parts["dubs/noise/c2.wav"]

    changed(source, target, swap)


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (add("../out.wav"), "leads out of the bundle's folder"),
        (add("/tmp/out.wav"), "leads out"),
        (add("dubs/../../out.wav"), "leads out"),
        (add("dubs\\..\\out.wav"), "leads out"),
        (add("C:/out.wav"), "leads out"),
        (add("dubs/noise/link.wav", b"/etc/hostname", stat.S_IFLNK | 0o777), "is a link"),
        (add("dubs/noise/"), "is a link, a folder"),
        (add("board/index.html", b"<script>1</script>"), "is no part of a bundle"),
        (add("dubs/noise/new\nline.wav"), "is no name of a file"),
        (add("dubs/noise/zeros.wav", bytes(4 << 20)), "times when it is unpacked"),
        (add("dubs/noise/C1.wav"), "is there twice"),
        (add("dubs/noise/more.wav"), "is not in bundle.json"),
        (torn, "not a bundle, or a damaged one"),
        (other_bytes, "is longer than declared"),
        (other_dub, "is not the dub that was scored"),
        (formula, "cannot be the name of a system"),
        (lambda _, target: target.write_text("hello"), "not a bundle"),
    ],
)
def test_hostile_bundles_are_refused(
    make: Callable[[Path, Path], None], why: str, packed: Path, tmp_path: Path
) -> None:
    """In one line, and nothing is written outside of the folder."""
    (tmp_path / "in" / "x").mkdir(parents=True)
    make(packed, tmp_path / "bad.zip")
    with pytest.raises(DubbenchError, match=why) as error:
        unpack(tmp_path / "bad.zip", tmp_path / "in" / "x")
    assert "\n" not in str(error.value)
    assert [path.name for path in (tmp_path / "in").iterdir()] == ["x"]
    assert not any(path.is_symlink() for path in (tmp_path / "in").rglob("*"))


def test_a_table_that_declares_too_much_is_refused(packed: Path, tmp_path: Path) -> None:
    def many(parts: dict[str, bytes]) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        table = pq.read_table(pa.BufferReader(parts["scores.parquet"]))
        sink = pa.BufferOutputStream()
        pq.write_table(pa.concat_tables([table.slice(0, 1)] * 3000).combine_chunks(), sink)
        parts["scores.parquet"] = sink.getvalue().to_pybytes()

    with pytest.raises(DubbenchError, match=r"3000 rows of .* for 12 scores; refused"):
        unpack(changed(packed, tmp_path / "many.zip", many), tmp_path / "x")
    with pytest.raises(DubbenchError, match="not a table of scores"):
        no_table = changed(packed, tmp_path / "none.zip", lambda parts: parts.update({"scores.parquet": b"PAR1"}))
        unpack(no_table, tmp_path / "y")


def test_a_dub_that_is_no_sound_harms_nothing(home: Path, packed: Path, tmp_path: Path) -> None:
    """It is found by verification, and named by the player of the board."""

    def page(parts: dict[str, bytes]) -> None:
        name = next(name for name in parts if "precomputed" in name)
        old, parts[name] = hashlib.sha256(parts[name]).hexdigest(), b"<script>alert(1)</script>"
        new = hashlib.sha256(parts[name]).hexdigest()
        parts["dubs.jsonl"] = parts["dubs.jsonl"].replace(old.encode(), new.encode())

    (tmp_path / "in").mkdir()
    sent = changed(packed, tmp_path / "in" / "page.zip", page)
    report = verify(sent, [str(home / "data")], MACHINE)
    assert report.verdict == "fails" and {d.found for d in report.differences} == {None}
    shown, refused = gallery(tmp_path / "in", tmp_path / "site", players=4)
    assert not refused and "<script>alert" not in shown.read_text()


def test_limits_are_kept(packed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "MOST_PARTS", 3)
    with pytest.raises(DubbenchError, match="more than 3; refused"):
        archive.read_archive(packed, tmp_path / "x")
    monkeypatch.undo()
    monkeypatch.setattr(archive, "MOST_BYTES", 1 << 10)
    with pytest.raises(DubbenchError, match="unpacks to"):
        archive.read_archive(packed, tmp_path / "x")


def test_a_leaderboard_of_bundles(home: Path, packed: Path, tmp_path: Path) -> None:
    """All bundles on one board; a refused one is named; texts of others stay texts."""
    sent = packed.parent

    def rename(parts: dict[str, bytes]) -> None:
        for name in ("run.json", "dubs.jsonl"):
            parts[name] = parts[name].replace(b'"noise"', b'"<img src=x onerror=alert(1)>"')

    changed(packed, tmp_path / "theirs.zip", rename)
    (sent / "<i>theirs.zip").write_bytes((tmp_path / "theirs.zip").read_bytes())
    (sent / "bad.zip").write_text("hello")
    report = verify(packed, [str(home / "data")], MACHINE, sample=1)
    (sent / "ours.zip.verified.json").write_text(json.dumps(report.as_dict()))
    page, refused = gallery(sent, tmp_path / "site")
    assert len(refused) == 1 and "bad.zip" in refused[0]
    for name in ("index.html", "submissions.html"):
        text = (tmp_path / "site" / name).read_text()
        assert "<img src" not in text and "<i>theirs" not in text and str(tmp_path) not in text
    assert 'href="submissions.html"' in page.read_text()
    rows = (tmp_path / "site" / "submissions.csv").read_text().splitlines()
    assert len(rows) == 4 and any("holds: " in row for row in rows)
    first = {path.name: path.read_bytes() for path in (tmp_path / "site").iterdir()}
    gallery(sent, tmp_path / "site")
    assert first == {path.name: path.read_bytes() for path in (tmp_path / "site").iterdir()}


def test_controls_can_stay_at_home(home: Path, tmp_path: Path) -> None:
    contents = bundle(home / "run", tmp_path / "own.zip", controls=False)
    assert not any("ground_truth" in name or "noise" in name for name in contents.parts)
    assert sum(name.endswith(".wav") for name in contents.parts) == 3


def test_a_dub_that_changed_is_not_packed(home: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(home / "run", run)
    row = next(row for row in ledger(run).read() if row.path)
    write_wav(run / row.path, tone(300, 0.5), 16000)
    assert file_digest(run / row.path) != row.digest
    with pytest.raises(DubbenchError, match="not the dub that was scored"):
        bundle(run, tmp_path / "x.zip")


def test_a_board_in_one_file_and_as_a_zip(home: Path, tmp_path: Path) -> None:
    shutil.copytree(home / "run", tmp_path / "run", ignore=shutil.ignore_patterns("work"))  # it may be deleted
    run = read_run(tmp_path / "run")
    text = export.one_file([run], tmp_path / "board.html").read_text()
    assert "secret-project" not in text and str(home) not in text and "precomputed(…/dubs)" in text
    assert 'download="table.csv" href="data:text/csv;base64,' in text and '"media/t' not in text
    assert "data:video/mp4;base64," in text
    with zipfile.ZipFile(export.zipped([run], tmp_path / "board.zip")) as found:
        assert {"board/index.html", "board/table.csv"} <= set(found.namelist())
        assert all("secret-project" not in found.read(name).decode("utf-8", "ignore") for name in found.namelist())
