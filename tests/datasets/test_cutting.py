import csv
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from numbered_video import make_video, number_of

from dubbench.datasets.chem import ChemDataset
from dubbench.datasets.chem_cut import prepare, segments
from dubbench.datasets.cutting import nearest
from dubbench.errors import DubbenchError, MediaError
from dubbench.signal.media import probe, read_audio_native, read_frames

V = "AGZZGR5Otxw"
KEYS = (0, 30, 60, 77, 130, 160, 210, 270)


def segment(video: Path, folder: Path, seconds: float) -> None:
    """Cut without re-encoding at key frames, as ``ffmpeg -f segment -reset_timestamps 1`` does for Lip2Wav."""
    folder.mkdir(parents=True)
    options = {"segment_time": f"{seconds}", "reset_timestamps": "1", "segment_format": "mp4"}
    with av.open(str(video)) as source, av.open(str(folder / "cut-%d.mp4"), "w", "segment", options=options) as parts:
        copies = {stream.index: parts.add_stream_from_template(stream) for stream in source.streams}
        for packet in source.demux():
            if packet.dts is not None:
                packet.stream = copies[packet.stream.index]
                parts.mux(packet)


def table(path: Path, *rows: tuple[str, float | str, float | str, str]) -> Path:
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([("id", "start", "end", "text"), *rows])
    return path


@pytest.fixture
def lecture(tmp_path: Path) -> Path:
    """12 s of lecture in six segments that begin at key frames: 0, 60, 130, 160, 210, 270."""
    video = make_video(tmp_path / "lecture.mp4", 12, rate=44100, keys=KEYS)
    segment(video, tmp_path / "intervals" / V, 2)
    return video


def test_segments_begin_where_those_before_end(lecture: Path) -> None:
    folder = lecture.parent / "intervals" / V
    parts = segments(folder)
    assert [round(part.start * 25) for part in parts] == [0, 60, 130, 160, 210, 270]
    assert [number_of(read_frames(part.path)[0]) for part in parts] == [0, 60, 130, 160, 210, 270]
    (folder / "cut-2.mp4").unlink()
    with pytest.raises(DubbenchError, match=r"cut-2\.mp4 is missing, so later times are unknown"):
        segments(folder)
    with pytest.raises(DubbenchError, match="no segments"):
        segments(folder.parent / "other")


def test_cuts_are_exact_in_picture_and_sound_across_joins(lecture: Path) -> None:
    out = lecture.parent / "out"
    rows: list[tuple[str, float | str, float | str, str]] = [
        (f"{V}-000", 0, 1, "from the start"),
        (f"{V}-001", 2.0, 2.9, "over one join"),
        (f"{V}-002", 4.87, 9.93, "over three"),
        (f"{V}-003", "2.41", "2.9", "just after a join"),
        (f"{V}-004", 11, 12, "to the end"),
    ]
    told: list[bool] = []
    assert prepare(lecture.parent, table(lecture.parent / "t.csv", *rows), out, 2, told.append) == []
    assert told == [False] * 5
    whole, rate = read_audio_native(lecture)
    clips = ChemDataset(out).clips()
    assert [(clip.id, clip.text) for clip in clips] == [(row[0], row[3]) for row in rows]
    for clip, row in zip(clips, rows, strict=True):
        first = round(float(row[1]) * 25)
        count = round((float(row[2]) - float(row[1])) * 25)
        info = probe(clip.video)
        assert (info.fps, info.frames) == (25.0, count)
        assert [number_of(picture) for picture in read_frames(clip.video)] == list(range(first, first + count))
        samples, own_rate = read_audio_native(clip.video)
        assert own_rate == rate and len(samples) == round(count / 25 * rate)
        at = round(first / 25 * rate)
        # lossless but for the 16 bits, half a step; the first segment's start was rounded to a millisecond by ffmpeg
        slack = rate // 1000 if first < 60 else 0
        padded = np.pad(whole, slack)
        lags = range(at, at + 2 * slack + 1)
        assert min(np.abs(samples - padded[lag : lag + len(samples)]).max() for lag in lags) <= 0.5 / 32768 + 1e-7


def test_thirty_frames_a_second_become_twenty_five(tmp_path: Path) -> None:
    make_video(tmp_path / "videos" / f"{V}.mp4", 4, fps=30, rate=44100)
    rows = table(tmp_path / "t.csv", (f"{V}-000", 1.01, 3.01, "whole lecture, no segments"))
    assert prepare(tmp_path, rows, tmp_path / "out") == []
    clip = ChemDataset(tmp_path / "out").clips()[0]
    numbers = [number_of(picture) for picture in read_frames(clip.video)]
    assert numbers[0] == 30 and len(numbers) == 50
    assert all(abs(n / 30 - (1.0 + k / 25)) <= 0.5 / 30 + 1e-9 for k, n in enumerate(numbers))


def test_made_once_and_again_when_the_times_change(lecture: Path) -> None:
    out = lecture.parent / "out"
    rows = table(lecture.parent / "t.csv", (f"{V}-000", 1, 2, "a"), (f"{V}-001", 3, 4, "b"))
    prepare(lecture.parent, rows, out)
    target = out / "clips" / V / f"{V}-000.mp4"
    before = target.stat().st_mtime_ns, (out / "clips" / V / f"{V}-001.mp4").stat().st_mtime_ns
    content = target.read_bytes()
    table(rows, (f"{V}-000", 1, 2, "a"), (f"{V}-001", 3, 5, "b"))
    prepare(lecture.parent, rows, out)
    assert target.stat().st_mtime_ns == before[0]
    other = out / "clips" / V / f"{V}-001.mp4"
    assert other.stat().st_mtime_ns != before[1] and probe(other).frames == 50
    target.unlink()
    prepare(lecture.parent, rows, out)
    assert target.read_bytes() == content  # same input, same bytes


def test_rows_that_cannot_be_cut_do_not_stop_the_others(lecture: Path) -> None:
    root = lecture.parent
    (root / "intervals" / "brokenvideo").mkdir()
    (root / "intervals" / "brokenvideo" / "cut-0.mp4").write_bytes(b"no video")
    rows = table(
        root / "t.csv",
        (f"{V}-000", 1, 2, "good"),
        (f"{V}-000", 3, 4, "twice"),
        (f"{V}-001", 2, 1, "backwards"),
        (f"{V}-002", "x", 1, "no number"),
        (f"{V}-003", "nan", 1, "no number"),
        (f"{V}-004", 11, 13, "beyond the end"),
        (f"{V}-005", 1, 2, ""),
        ("otherlectur-000", 1, 2, "not here"),
        ("brokenvideo-000", 1, 2, "broken"),
        ("../../x-1", 1, 2, "bad id"),
        (f"{V}-006", 0, 100, "too long"),
    )
    told: list[bool] = []
    problems = prepare(root, rows, root / "out", progress=told.append)
    assert (told.count(True), told.count(False)) == (10, 1)
    assert [clip.id for clip in ChemDataset(root / "out").clips()] == [f"{V}-000"]
    said = {p.clip: p.what for p in problems}
    assert len(problems) == 10 and all("\n" not in p.what for p in problems)
    assert "the first row is used" in said[f"{V}-000"] and "start < end" in said[f"{V}-001"]
    assert "'x'" in said[f"{V}-002"] and "is no sentence" in said[f"{V}-003"]
    assert "not all in the segments" in said[f"{V}-004"] and "(0.0–12.0 s)" in said[f"{V}-004"]
    assert "no text" in said[f"{V}-005"] and "no segments" in said["otherlectur-000"]
    assert "not readable as video" in said["brokenvideo-000"] and "clip id" in said["../../x-1"]
    assert not (root / "x-1").exists()
    with pytest.raises(DubbenchError, match="nothing to cut"):
        prepare(root / "nowhere", rows, root / "out")


@pytest.mark.parametrize("fps", [Fraction(24000, 1001), Fraction(25), Fraction(30), Fraction(50), Fraction(10)])
@pytest.mark.parametrize("start", [0.0, 0.013, 1.234])
def test_nearest_is_the_nearest(fps: Fraction, start: float) -> None:
    times = [float(n / fps) for n in range(round(4 * fps))]
    made = list(nearest(((t, t) for t in times), start, 50))
    zero = min(times, key=lambda t: abs(t - start))
    assert {z for z, _ in made} == {zero} and len(made) == 50
    for k, (_, t) in enumerate(made):
        best = min(abs(x - zero - k / 25) for x in times)
        assert abs(t - zero - k / 25) <= best + 1e-9


def test_nearest_needs_the_last_frame() -> None:
    times = [n / 25 for n in range(50)]
    assert len(list(nearest(((t, t) for t in times), 1.0, 25))) == 25
    assert len(list(nearest(((t, t) for t in times), 1.0, 26))) == 26
    with pytest.raises(MediaError, match="end before the sentence"):
        list(nearest(((t, t) for t in times), 1.0, 28))
