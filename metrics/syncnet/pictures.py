"""The input pictures of SyncNet: 25 a second, with the losses of the intermediate files of the original scripts.

The scripts write an MPEG-4 film (``-qscale:v 2``), pictures from it (JPEG, ``-qscale:v 2``) in which faces are found
and crops are cut, a film of the crops (OpenCV's ``XVID``), and pictures from that one (JPEG at ffmpeg's default of
200 kbit/s, which is visibly lossy). Each loss moves the distances a little, the last one most. Here the same codecs
run with the same settings, but from memory to memory; only OpenCV's film needs a file, which is deleted at once. With
one encoder thread and libav 8 the pictures are those of the command-line tools (7 and older scale colours otherwise).
"""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dubbench.errors import MediaError
from dubbench.metrics.syncnet.network import SIZE
from dubbench.signal.clock import timeline
from dubbench.signal.film import shown

FPS = 25
_GROUP = 12  # pictures from one whole picture to the next in libav's MPEG-4, by default
_SCALE_2 = {"flags": "+qscale", "global_quality": str(2 * 118)}  # what -qscale:v 2 sets


def jpegs(path: Path) -> Iterator[bytes]:
    """What the face detector looks at: every picture at 25 a second, through MPEG-4 and JPEG at quality 2.

    Raises:
        MediaError: missing, unreadable or without pictures.
    """
    return _jpeg(_mpeg4(at_25(path)), _SCALE_2)


def direct(path: Path) -> Iterator[NDArray[np.uint8]]:
    """(224, 224, 3) pictures, blue green red, of a video that is cropped already, through the last JPEG alone. Other
    sizes are brought to 224 by 224, as Wav2Lip's scripts do.

    Raises:
        MediaError: as `jpegs`.
    """
    import cv2

    for picture in map(decoded, _jpeg(at_25(path), {})):
        yield picture if picture.shape[:2] == (SIZE, SIZE) else cv2.resize(picture, (SIZE, SIZE))


def through_film(crops: Iterable[NDArray[np.uint8]]) -> Iterator[NDArray[np.uint8]]:
    """The (224, 224, 3) crops of one track as SyncNet reads them: through OpenCV's film and the last JPEG.

    Raises:
        MediaError: OpenCV cannot write the film.
    """
    import cv2

    with tempfile.TemporaryDirectory(prefix="dubbench-lse-") as folder:
        film = Path(folder) / "crops.avi"
        writer = cv2.VideoWriter(str(film), cv2.VideoWriter.fourcc(*"XVID"), FPS, (SIZE, SIZE))
        if not writer.isOpened():
            raise MediaError(f"{film}: OpenCV cannot write XVID here; install opencv-contrib-python from its wheel")
        written = 0
        for crop in crops:
            writer.write(crop)
            written += 1
        writer.release()
        if written:
            yield from map(decoded, _jpeg(_read(film), {}))


def decoded(jpeg: bytes) -> NDArray[np.uint8]:
    """(H, W, 3) blue green red."""
    import cv2

    return np.asarray(cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR))


def at_25(path: Path) -> Iterator[Any]:
    """libav's frames, some dropped or repeated so that there are 25 a second (`Steady`).

    Raises:
        MediaError: as `jpegs`.
    """
    clock = timeline(path)
    steady = before = None
    for frame, time in shown(path, clock):
        if steady is None:
            steady = Steady(time, clock.fps)
        again, once = steady.copies(time)
        yield from [before] * again + [frame] * once
        before = frame


class Steady:
    """Which pictures ``ffmpeg -r 25`` keeps: one is dropped once the output would be more than 1.1 frames ahead, and
    the one before it or it itself repeated once the output would be 1.1 behind. At 25 a second each is kept once.

    Times within 1 ms of a multiple of 1 / ``fps`` are taken for it, as the rate is for the NTSC one that it is next to:
    a run keeps pictures in Matroska, which rounds to milliseconds, and the choice must be that of their own file.

    Args:
        zero: when the first picture is shown, in seconds.
        fps: the pictures' own rate.
    """

    def __init__(self, zero: float, fps: float) -> None:
        ntsc = round(fps * 1.001) / 1.001
        self._fps = ntsc if abs(fps - ntsc) < 1e-5 else fps
        self._zero, self._length, self._next = zero, FPS / self._fps, 0

    def copies(self, time: float) -> tuple[int, int]:
        """Of the picture shown at ``time`` seconds: how often the one before goes out again, how often it itself."""
        passed = time - self._zero
        nearest = round(passed * self._fps) / self._fps
        at = FPS * (nearest if abs(passed - nearest) <= 1e-3 else passed)
        if abs(at - round(at)) > 1e-6:
            at += 2**-17  # ffmpeg's way of keeping clear of halves
        ahead = at - self._next
        end = ahead + self._length
        count = 0 if end < -1.1 else round(end) if end > 1.1 else 1
        again = min(count, round(ahead - 0.6)) if end > 1.1 and ahead > 1.1 else 0
        self._next += count
        return again, count - again


def _encoder(codec: str, like: Any, pixels: str, options: dict[str, str]) -> Any:
    import av

    encoder: Any = av.CodecContext.create(codec, "w")
    encoder.width, encoder.height, encoder.pix_fmt = like.width, like.height, pixels
    encoder.time_base, encoder.framerate = Fraction(1, FPS), Fraction(FPS)
    encoder.sample_aspect_ratio = Fraction(1)  # a JPEG then has a header more, which its rate control counts
    encoder.thread_count = 1
    encoder.options = options
    return encoder


def _packets(codec: str, frames: Iterator[Any], pixels: str, options: dict[str, str]) -> Iterator[Any]:
    """``frames`` brought to the format ``pixels`` and encoded, one packet a frame."""
    import av

    encoder: Any = None
    for number, frame in enumerate(frames):
        if encoder is None:
            encoder = _encoder(codec, frame, pixels, options)
            graph = av.filter.Graph()
            size: Any = {"width": frame.width, "height": frame.height, "format": frame.format}
            source, sink = graph.add_buffer(**size, time_base=Fraction(1, FPS)), graph.add("buffersink")
            middle = graph.add("format", f"pix_fmts={pixels}")
            source.link_to(middle)
            middle.link_to(sink)
            graph.configure()
        frame.pts, frame.time_base = number, Fraction(1, FPS)
        graph.push(frame)
        changed: Any = graph.pull()
        changed.pict_type = 0  # which kind of picture it was in its own film must not count
        yield from encoder.encode(changed)
    if encoder is not None:
        yield from encoder.encode(None)


def _mpeg4(frames: Iterator[Any]) -> Iterator[Any]:
    """The frames after MPEG-4 at quality 2.

    The quality that ``-qscale`` gives each frame cannot be set from here; a bit rate beyond need gives the same 2
    from the second group of pictures on. So a first group is put before the rest, and thrown away.
    """
    import av

    decoder: Any = av.CodecContext.create("mpeg4", "r")
    first = next(frames, None)
    if first is None:
        return
    frames = itertools.chain([first] * (_GROUP + 1), frames)
    number = 0
    for packet in itertools.chain(_packets("mpeg4", frames, "yuv420p", {"b": "80000000"}), [None]):
        for frame in decoder.decode(packet):
            if number >= _GROUP:
                yield frame
            number += 1


def _jpeg(frames: Iterator[Any], options: dict[str, str]) -> Iterator[bytes]:
    """Each frame as a JPEG file; without options at 200 kbit/s over all of them, so each depends on those before."""
    return (bytes(packet) for packet in _packets("mjpeg", frames, "yuvj420p", options))


def _read(film: Path) -> Iterator[Any]:
    return (frame for frame, _ in shown(film))
