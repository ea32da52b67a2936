"""One clock: real videos in the forms people have them, against the same clip as it was filmed.

The clip says "bin blue at l eight please" in 75 pictures at 25 fps; its own sound has Sync-D .881 and Sync-offset 0.
"""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from made_films import CASES, damaged, ffmpeg, make, picture_times

for module in ("torch", "safetensors", "mediapipe"):
    pytest.importorskip(module)

from dubbench.core.clip import Clip  # noqa: E402
from dubbench.core.metric import Item  # noqa: E402
from dubbench.errors import MediaError  # noqa: E402
from dubbench.metrics.sync import Sync  # noqa: E402
from dubbench.signal.clock import on_grid, steady_rate, timeline  # noqa: E402
from dubbench.signal.media import mux, probe, read_audio, read_frames, silent_copy  # noqa: E402
from dubbench.signal.picture import Picture  # noqa: E402
from dubbench.signal.sound import Sound  # noqa: E402
from dubbench.signal.soundtrack import soundtrack  # noqa: E402
from dubbench.signal.survey import survey  # noqa: E402

PICTURES = {"phone-vfr.mp4": 86, "half-rate-tail.mp4": 55, "held-picture.mp4": 64, "grey-start.mpg": 63, "cut.mp4": 62}
REMARKS = {
    "phone-vfr.mp4": "no constant frame rate",
    "half-rate-tail.mp4": "no constant frame rate",
    "held-picture.mp4": "no constant frame rate",
    "grey-start.mpg": "11 of 74 pictures cannot be decoded",
    "rotated-180.mp4": "turned",
    "rotated-90.mp4": "turned",
    "cut.mp4": "edit list",
    "old.3gp": "not square",
}
FAST = ("gop12.mkv", "held-picture.mp4", "grey-start.mpg", "rotated-90.mp4", "cut.mp4")


@pytest.fixture(scope="module")
def metric() -> Sync:
    made = Sync()
    made.load("cpu")
    return made


@pytest.fixture(scope="module")
def clip(shared_data: Path) -> Path:
    return shared_data / "grid" / "s1" / "bbal8p.mpg"


def own_sync(metric: Sync, video: Path, copy: Path) -> dict[str, float]:
    """What the sync expert says of a video's own sound, through its working copy as in a run."""
    seen = survey(video)
    silent_copy(video, copy, seen)
    sound = Sound(read_audio(video), 16000)
    stats = metric.score(Item(Clip("c", "grid", "s1", "", copy), sound, None, None, seen.clock.duration, 25.0))
    assert isinstance(stats, dict), stats
    return stats


@pytest.mark.parametrize("name", [pytest.param(name, marks=() if name in FAST else pytest.mark.slow) for name in CASES])
def test_each_form_of_a_clip_is_the_clip(name: str, clip: Path, metric: Sync, tmp_path: Path) -> None:
    video = make(name, clip, tmp_path)
    seen = survey(video)
    assert len(seen.times) == PICTURES.get(name, 75)
    told = " ".join(seen.remarks)
    assert REMARKS[name] in told if name in REMARKS else not told
    stats = own_sync(metric, video, tmp_path / "copy.mkv")
    assert abs(stats["offset_ms"]) <= 40
    assert stats["distance"] == pytest.approx(0.881, abs=0.035)
    mux(video, read_audio(video), 16000, tmp_path / "dub.mp4")
    assert picture_times(tmp_path / "dub.mp4") == pytest.approx(picture_times(video), abs=1e-3)
    shape = read_frames(tmp_path / "dub.mp4").shape[1:3]
    assert shape == ((288, 352 + 8) if name == "old.3gp" else (288, 360))


CONTAINERS = {
    "mp4": ("libx264", "libx265", "mpeg4"),
    "mkv": ("libx264", "libx265", "mpeg4", "libvpx", "mpeg2video"),
    "mov": ("libx264", "mpeg4"),
    "ts": ("libx264", "mpeg2video"),
    "webm": ("libvpx",),
    "avi": ("mpeg4", "libx264"),
}
RATES = ("25", "30000/1001", "30", "50", "24", "vfr")
TURNED = ("mp4", "mov")


def variants(count: int) -> list[tuple[str, str, str, int, float]]:
    """(container, codec, rate, rotation, seconds cut off at the start), drawn with a fixed seed."""
    rng = np.random.default_rng(13)
    found: dict[tuple[str, str, str, int, float], None] = {}
    while len(found) < count:
        container = str(rng.choice(list(CONTAINERS)))
        codec, rate = str(rng.choice(CONTAINERS[container])), str(rng.choice(RATES))
        turn = int(rng.choice([0, 90, 180, 270])) if container in TURNED else 0
        cut = float(rng.choice([0.0, 0.3, 0.5])) if container in ("mp4", "mov", "mkv") else 0.0
        if rate == "vfr" and (container == "avi" or codec == "mpeg2video"):  # they know no other than constant rates
            continue
        found[container, codec, rate, turn, cut] = None
    return list(found)


def variant(clip: Path, folder: Path, container: str, codec: str, rate: str, turn: int, cut: float) -> Path:
    """The clip in another container, codec and rate, stored turned, and cut without encoding it again."""
    moved = {0: "null", 90: "transpose=1", 180: "hflip,vflip", 270: "transpose=2"}[turn]
    timed = "select='mod(n+1\\,7)',setpts='PTS+0.004*sin(N*1.7)/TB'" if rate == "vfr" else f"fps={rate}"
    mode = "-fps_mode passthrough -enc_time_base:v 1/1000" if rate == "vfr" else ""
    sound = {"webm": "libopus", "avi": "libmp3lame", "mkv": "aac"}.get(container, "aac")
    quality = {"libvpx": "-b:v 2M", "libx264": "-crf 16", "libx265": "-crf 16 -x265-params log-level=none"}
    encode = f"-c:v {codec} {quality.get(codec, '-q:v 2')} -c:a {sound}"
    whole, turned, short = (folder / f"{name}.{container}" for name in ("whole", "turned", "short"))
    ffmpeg(f"-i {clip} -vf {moved},{timed} {mode} {encode} {whole}")
    if turn:
        back = {90: 90, 180: 180, 270: -90}[turn]
        ffmpeg(f"-display_rotation {back} -i {whole} -c copy {turned}")
        whole = turned
    if cut:
        ffmpeg(f"-ss {cut} -i {whole} -c copy {short}")
        whole = short
    return whole


@pytest.mark.parametrize(
    "form",
    [pytest.param(form, marks=() if n % 15 == 0 else pytest.mark.slow) for n, form in enumerate(variants(60))],
    ids=lambda form: "-".join(str(part).replace("/", ":") for part in form),
)
def test_any_form_keeps_lips_and_voice_together(
    form: tuple[str, str, str, int, float], clip: Path, metric: Sync, tmp_path: Path
) -> None:
    """Container × codec × rate × rotation × cut: the ground truth's Sync-offset stays within a picture of the clip's,
    and a dub shows its pictures when its video did."""
    video = variant(clip, tmp_path, *form)
    stats = own_sync(metric, video, tmp_path / "copy.mkv")
    assert abs(stats["offset_ms"]) <= 40
    mux(video, read_audio(video), 16000, tmp_path / "dub.mp4")
    wanted, got = picture_times(video), picture_times(tmp_path / "dub.mp4")
    assert got == pytest.approx(wanted, abs=2e-3)


def test_pictures_stand_upright(clip: Path, tmp_path: Path) -> None:
    """Turned back by its flag it is the clip's, but for the encoder's loss; stretched pixels become square."""
    own = read_frames(clip).astype(int)
    video = make("rotated-90.mp4", clip, tmp_path)
    assert np.abs(read_frames(video).astype(int) - own).mean() < 4
    silent_copy(video, tmp_path / "copy.mkv")
    assert np.abs(read_frames(tmp_path / "copy.mkv").astype(int) - own).mean() < 4
    ffmpeg(f"-i {clip} -vf scale=270:288,setsar=4/3 -c:v libx264 {tmp_path}/narrow.mp4")
    assert (probe(tmp_path / "narrow.mp4").width, probe(tmp_path / "narrow.mp4").height) == (360, 288)


def test_damage_in_the_middle_is_told(clip: Path, tmp_path: Path) -> None:
    (remark,) = survey(damaged(clip, tmp_path / "d.mpg")).remarks
    assert "pictures are damaged" in remark


def test_the_default_track_is_taken(clip: Path, tmp_path: Path) -> None:
    ffmpeg(
        f"-i {clip} -f lavfi -i color=size=64x64:duration=3 -f lavfi -i anullsrc=duration=3 -map 1:v -map 0:v -map 2:a "
        f"-map 0:a -disposition:0 0 -disposition:1 default -disposition:2 0 -disposition:3 default {tmp_path}/two.mkv"
    )
    assert probe(tmp_path / "two.mkv").width == 360
    assert np.abs(read_audio(tmp_path / "two.mkv")).max() > 0.05


def test_a_cover_is_no_video(clip: Path, tmp_path: Path) -> None:
    ffmpeg(f"-i {clip} -frames:v 1 {tmp_path}/cover.png")
    ffmpeg(
        f"-i {clip} -i {tmp_path}/cover.png -map 1:v -map 0:v -map 0:a -c:v:0 png -c:v:1 libx264 -c:a aac "
        f"-disposition:v:0 attached_pic {tmp_path}/covered.mp4"
    )
    assert probe(tmp_path / "covered.mp4").frames == 75
    sound_alone = f"-map 0:a -map 1:v -c:a aac -c:v copy -disposition:v attached_pic {tmp_path}/s.m4a"
    ffmpeg(f"-i {clip} -i {tmp_path}/cover.png {sound_alone}")
    assert abs(len(read_audio(tmp_path / "s.m4a")) / 16000 - 2.98) < 0.05
    with pytest.raises(MediaError, match="no video stream"):
        probe(tmp_path / "s.m4a")


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "ts"])
def test_lost_packets_of_sound_leave_a_gap(suffix: str, clip: Path, tmp_path: Path) -> None:
    whole, holed = tmp_path / f"whole.{suffix}", tmp_path / f"holed.{suffix}"
    ffmpeg(f"-i {clip} -c:v mpeg4 -c:a aac {whole}")
    with av.open(str(whole)) as source, av.open(str(holed), "w") as target:
        streams = {s.index: target.add_stream_from_template(s) for s in source.streams}
        number = 0
        for packet in source.demux():
            number += packet.stream.type == "audio"
            if packet.dts is None or (packet.stream.type == "audio" and 40 <= number < 55):
                continue
            packet.stream = streams[packet.stream.index]
            target.mux(packet)
    good, bad = soundtrack(whole), soundtrack(holed)
    assert not good.remarks and "gaps in the sound: 1, 0.3" in bad.remarks[0]
    late = slice(2 * good.rate, int(2.6 * good.rate))
    same = np.corrcoef(good.samples[late], bad.samples[late])[0, 1]
    assert same > 0.95


def test_sound_as_long_as_an_mp4_states(tmp_path: Path) -> None:
    """AAC ends in padding, which makes a dub of 3 s 8 ms longer; its pictures' sound is left as it always was."""
    ffmpeg(f"-f lavfi -i anoisesrc=duration=3:sample_rate=16000 -c:a aac {tmp_path}/a.m4a")
    assert len(soundtrack(tmp_path / "a.m4a").samples) == 48128
    assert len(soundtrack(tmp_path / "a.m4a", as_stated=True).samples) == 48000


def test_without_a_constant_rate_features_go_by_time(clip: Path, tmp_path: Path) -> None:
    video = make("half-rate-tail.mp4", clip, tmp_path)
    picture, own = Picture(video), Picture(clip)
    assert (picture.fps, len(picture.shown), len(picture.film)) == (25.0, 75, 55)
    assert np.median(np.abs(picture.face.points - own.face.points)) < 1.0  # pixels
    assert len(picture.frames) == 75


def test_a_rate_is_steady_up_to_rounding() -> None:
    assert steady_rate(np.round(np.arange(90) / 29.97, 3), [30000 / 1001]) == 30000 / 1001
    assert steady_rate(np.arange(75) / 25, [600.0]) == 25.0
    assert steady_rate(np.delete(np.arange(75) / 25, 30), [25.0]) == 0.0
    assert steady_rate(np.zeros(1), [], 25.0) == 25.0
    places, held = on_grid(np.array([0.0, 0.08, 0.16]), 0.2)
    assert places.tolist() == [0.0, 0.5, 1.0, 1.5, 2.0] and held.tolist() == [0, 0, 1, 1, 2]


def test_awkward_files_are_told_in_one_line(clip: Path, tmp_path: Path) -> None:
    with av.open(str(clip)) as source, av.open(str(tmp_path / "apart.mkv"), "w") as target:
        streams = {s.index: target.add_stream_from_template(s) for s in source.streams}
        for packet in source.demux():
            if packet.dts is not None:
                late = round(90 / packet.time_base) if packet.stream.type == "audio" else 0
                packet.pts, packet.dts = packet.pts + late, packet.dts + late
                packet.stream = streams[packet.stream.index]
                target.mux(packet)
    with pytest.raises(MediaError, match=r"apart\.mkv: the sound begins 90\.\d+ s after the first picture"):
        read_audio(tmp_path / "apart.mkv")
    ffmpeg(f"-i {clip} -frames:v 1 -an -c:v libx264 {tmp_path}/one.mp4")
    assert timeline(tmp_path / "one.mp4").duration == pytest.approx(0.04)
    with av.open(str(tmp_path / "tiny.mkv"), "w") as output:
        stream = output.add_stream("ffv1", rate=25)
        stream.width = stream.height = 1
        stream.pix_fmt = "yuv444p"
        for number in range(3):
            frame = av.VideoFrame.from_ndarray(np.zeros((1, 1, 3), np.uint8), format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, 25)
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    silent_copy(tmp_path / "tiny.mkv", tmp_path / "copy.mkv")
    with pytest.raises(MediaError, match="too small for an mp4"):
        mux(tmp_path / "tiny.mkv", np.zeros(1600, np.float32), 16000, tmp_path / "dub.mp4")
