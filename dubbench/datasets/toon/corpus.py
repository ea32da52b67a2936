"""``toon``, the embedded corpus: 120 clips of ten espeak-ng voices with drawn faces, made on this machine.

GRID-grammar sentences and a few free ones. The ground truth is exact: the phone timings are the synthesiser's own,
and the lips were drawn from them. It stands in where no recorded corpus may be downloaded; its numbers say whether a
pipeline works, not how a system does on people.

A corpus folder holds ``clips.csv`` (clip, speaker, text, video, audio, phones), ``video/*.mp4`` (25 fps, silent),
``audio/*.wav`` (16 kHz, as long as the video), ``phones/*.csv`` (phone, start, end in seconds), ``splits/*.txt`` and
``corpus.json`` (version, packages, sha256 over the other files).
"""

from __future__ import annotations

import csv
import hashlib
import json
import multiprocessing
import shutil
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dubbench.core.clip import Clip
from dubbench.errors import DubbenchError, require
from dubbench.runtime.cache_dir import cache_dir
from dubbench.runtime.provenance import versions

if TYPE_CHECKING:
    from dubbench.datasets.toon.face import Face
    from dubbench.datasets.toon.head import Look
    from dubbench.datasets.toon.script import Line
    from dubbench.datasets.toon.voice import Espeak, Phone

VERSION = "1"
"""Goes up with every change to what is made."""
FPS, RATE = 25, 16000
LONGEST = 3.48
"""Seconds; the silence before a long sentence is cut down to keep to it."""

Progress = Callable[[int, int], None]
"""Called with (clips made, clips in all)."""
_PARTS = {"clips.csv", "corpus.json", "video", "audio", "phones", "splits"}


def default_root() -> Path:
    """Where the corpus lies unless told otherwise: ``toon/<version>`` in `cache_dir`."""
    return cache_dir() / "toon" / VERSION


def make_corpus(
    root: Path, workers: int = 2, progress: Progress | None = None, lines: Sequence[Line] | None = None
) -> None:
    """Make the corpus at ``root`` unless a whole one of this version is there; the same bytes each time.

    It is made in a temporary folder beside ``root`` and moved there when it is whole. A partial corpus and one of
    another version are replaced. Several processes may make it at once; the first to finish wins.

    Args:
        root: the corpus folder.
        workers: processes; 1 makes it in this process.
        progress: told of every clip that is done.
        lines: what to make instead of the whole script.

    Raises:
        DubbenchError: ``root`` is some other folder, cannot be written, or a package is missing.
    """
    from dubbench.datasets.toon.script import script

    root = Path(root)
    wanted = tuple(script() if lines is None else lines)
    if is_whole(root, len(wanted)):
        return
    if root.exists() and (not root.is_dir() or {entry.name for entry in root.iterdir()} - _PARTS):
        raise DubbenchError(f"{root}: not a toon corpus, so it is not replaced; give an empty or a new folder")
    for module in ("espeakng_loader", "cv2"):
        require(module, "toon", "the embedded corpus")
    try:
        root.parent.mkdir(parents=True, exist_ok=True)
        prefix = f".{root.name}.toon-"
        for abandoned in root.parent.glob(f"{prefix}*"):  # by a process that was killed
            if time.time() - abandoned.stat().st_mtime > 3600:
                shutil.rmtree(abandoned, ignore_errors=True)
        temporary = Path(tempfile.mkdtemp(prefix=prefix, dir=root.parent))
        try:
            _write(temporary, wanted, workers, progress)
            temporary.chmod(0o755)
            if not is_whole(root, len(wanted)):  # nobody was faster
                shutil.rmtree(root, ignore_errors=True)
                temporary.replace(root)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
    except BrokenProcessPool as error:
        raise DubbenchError(
            f"{root}: a process that made the toon corpus died ({error}); try with one worker"
        ) from error
    except OSError as error:
        if not is_whole(root, len(wanted)):
            raise DubbenchError(f"{root}: the toon corpus cannot be written there ({error})") from error


def clips(root: Path) -> list[Clip]:
    """The clips of the corpus at ``root``, in the order of its ``clips.csv``.

    Raises:
        DubbenchError: there is no corpus.
    """
    try:
        with (Path(root) / "clips.csv").open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
    except OSError as error:
        raise DubbenchError(
            f"{root}: no toon corpus there ({error}); make it with: dubbench data prepare toon"
        ) from error
    return [
        Clip(
            id=row["clip"],
            dataset="toon",
            speaker=row["speaker"],
            text=row["text"],
            video=Path(root) / row["video"],
            audio=Path(root) / row["audio"],
            phones=Path(root) / row["phones"],
        )
        for row in rows
    ]


def split_ids(root: Path, name: str) -> list[str] | None:
    """The clip ids of split ``name`` (``train``, ``test``); None if there is no such split."""
    path = Path(root) / "splits" / f"{name}.txt"
    return path.read_text("utf-8").split() if path.is_file() else None


def digest(root: Path) -> str:
    """sha256 over the names and contents of all files of the corpus but ``corpus.json``."""
    total = hashlib.sha256()
    for path in sorted(p for p in Path(root).rglob("*") if p.is_file() and p.name != "corpus.json"):
        one = hashlib.sha256(path.read_bytes()).hexdigest()
        total.update(f"{path.relative_to(root).as_posix()} {one}\n".encode())
    return total.hexdigest()


def is_whole(root: Path, count: int | None = None) -> bool:
    """Whether ``root`` holds a corpus of this version and ``count`` clips (None: as many as it says), none missing."""
    try:
        told = json.loads((root / "corpus.json").read_text("utf-8"))
        if told["version"] != VERSION or count not in (None, told["clips"]):
            return False
        found = clips(root)
    except (OSError, ValueError, KeyError, TypeError, DubbenchError):
        return False
    files = [path for clip in found for path in (clip.video, clip.audio, clip.phones) if path is not None]
    splits = [root / "splits" / f"{name}.txt" for name in ("train", "test")]
    return len(found) == told["clips"] and all(path.is_file() for path in (*files, *splits))


def _write(root: Path, lines: Sequence[Line], workers: int, progress: Progress | None) -> None:
    for folder in ("video", "audio", "phones", "splits"):
        (root / folder).mkdir()
    for done, _ in enumerate(_spread(partial(make_clip, root), lines, workers), start=1):
        if progress:
            progress(done, len(lines))
    with (root / "clips.csv").open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(("clip", "speaker", "text", "video", "audio", "phones"))
        for line in lines:
            files = (f"video/{line.clip}.mp4", f"audio/{line.clip}.wav", f"phones/{line.clip}.csv")
            rows.writerow((line.clip, line.speaker.id, line.text, *files))
    for split in ("train", "test"):
        ids = "".join(f"{line.clip}\n" for line in lines if line.split == split)
        (root / "splits" / f"{split}.txt").write_text(ids, "utf-8")
    about = {
        "dataset": "toon",
        "version": VERSION,
        "clips": len(lines),
        "packages": _packages(),
        "sha256": digest(root),
    }
    (root / "corpus.json").write_text(json.dumps(about, indent=2) + "\n", "utf-8")


def _spread(make: Callable[[Line], None], lines: Sequence[Line], workers: int) -> Iterator[None]:
    """Apply ``make`` to every line in ``workers`` fresh processes (espeak and OpenCV keep state in theirs)."""
    if workers <= 1 or len(lines) <= 1:
        yield from map(make, lines)
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(min(workers, len(lines)), mp_context=context, initializer=_one_thread) as pool:
        yield from pool.map(make, lines, chunksize=1)


def _one_thread() -> None:
    import cv2

    cv2.setNumThreads(1)


def make_clip(root: Path, line: Line) -> None:
    """Write the sound, the phones and the picture of one clip."""
    import soundfile

    from dubbench.datasets.toon.motion import poses

    sound, phones = speak(line, _espeak())
    frames = len(sound) * FPS // RATE
    soundfile.write(root / "audio" / f"{line.clip}.wav", sound, RATE, subtype="PCM_16")
    with (root / "phones" / f"{line.clip}.csv").open("w", encoding="utf-8", newline="\n") as file:
        file.write("phone,start,end\n")
        file.writelines(f"{phone.phone},{phone.start:.6f},{phone.end:.6f}\n" for phone in phones)
    face = _face(line.speaker.look)
    film = (face.draw(pose) for pose in poses(phones, sound, RATE, frames, FPS, line.seed))
    _write_video(root / "video" / f"{line.clip}.mp4", film)


def speak(line: Line, espeak: Espeak) -> tuple[NDArray[np.float32], list[Phone]]:
    """The sound of a clip, (frames * 640,) at 16 kHz, and its phones without gaps over all of it.

    Speech is set to the line's level; the room adds noise of about -72 dBFS, so that no stretch is digital silence.
    """
    from dubbench.datasets.toon.voice import Phone, phones, spoken
    from dubbench.signal.media import resample

    said = espeak.speak(spoken(line.text), line.speaker.voice, line.wpm, line.pitch, line.pitch_range)
    told = phones(said)
    begin = told[0].end if told[0].phone == "SIL" else 0.0
    end = told[-1].start if told[-1].phone == "SIL" else told[-1].end
    lead = min(line.lead, max(0.2, LONGEST - (end - begin) - line.trail))
    frames = int(np.ceil((lead + end - begin + line.trail) * FPS))
    first = round((lead - begin) * RATE)  # where espeak's first sample goes
    voice = resample(said.samples.astype(np.float32) / np.float32(32768), said.rate, RATE)[
        : frames * RATE // FPS - first
    ]
    active = voice[round(begin * RATE) : round(end * RATE)]
    voice = voice * np.float32(line.level / np.sqrt(np.mean(active**2)))
    voice = voice * np.float32(min(1.0, 0.89 / np.abs(voice).max()))

    rng = np.random.default_rng(line.seed)
    hiss = rng.normal(0, 1, frames * RATE // FPS + 15)
    sound = 5e-4 * np.convolve(hiss, np.hanning(18)[1:-1] / np.hanning(18).sum(), mode="valid")  # a dull room
    sound[first : first + len(voice)] += voice
    late = first / RATE
    moved = [Phone(p.phone, p.start + late, p.end + late) for p in told if (begin - 1e-9) <= p.start < end]
    edges = (Phone("SIL", 0.0, moved[0].start), *moved, Phone("SIL", moved[-1].end, frames / FPS))
    return sound.astype(np.float32), list(edges)


def _write_video(path: Path, film: Iterable[NDArray[np.uint8]]) -> None:
    """Write (256, 256, 3) RGB pictures as H.264 in mp4, bit-exact, without sound."""
    import av

    from dubbench.datasets.toon.head import SIZE
    from dubbench.signal.media import x264

    with av.open(str(path), "w", format="mp4", options={"fflags": "+bitexact"}) as output:
        stream: Any = output.add_stream("libx264", rate=FPS, options=x264(20))
        stream.height, stream.width, stream.pix_fmt = SIZE, SIZE, "yuv420p"
        for picture in film:
            output.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        output.mux(stream.encode(None))


@lru_cache(maxsize=1)
def _espeak() -> Espeak:
    from dubbench.datasets.toon.voice import Espeak

    return Espeak()


@lru_cache(maxsize=2)
def _face(look: Look) -> Face:
    from dubbench.datasets.toon.face import Face

    return Face(look)


def _packages() -> dict[str, str]:
    """Versions of what may change a byte."""
    import cv2

    return {**versions("av", "espeakng-loader", "numpy", "soxr", extra="toon"), "opencv": cv2.__version__}
