"""A file opened, its streams chosen as players choose them, its packets and frames; every error in one line.

The only place that calls libav's reading side. A damaged packet is passed over, as players do, and counted.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

from dubbench.errors import MediaError

AGAIN = "get or make it again"
"""What to do about a file that is no good."""

_THREADS = 4  # more would hold more pictures in memory than they save time


FORMATS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpeg,mpegts,mpegvideo,m4v,h264,hevc,flv,asf,wav,w64,flac,ogg,mp3,aac,"
    "aiff,caf,amr"
)
"""What libav may take a file for: containers of sound and pictures, none that names other files (playlists)."""


def only_files(path: Path) -> dict[str, Any]:
    """Arguments of `av.open` by which a file is read as a file, whatever its name or content say: no playlist, no
    folder that is named like a protocol, nothing from a network."""
    return {
        "file": f"file:{Path(path).absolute()}",
        "options": {"protocol_whitelist": "file", "format_whitelist": FORMATS},
    }


@contextmanager
def opened(path: Path) -> Iterator[Any]:
    """libav's container of a file.

    Raises:
        MediaError: no such file, empty, or not readable.
    """
    import av

    path = Path(path)
    if not path.is_file():
        raise MediaError(f"{path}: no such file; put it there")
    if path.stat().st_size == 0:
        raise MediaError(f"{path}: the file is empty; {AGAIN}")
    try:
        container = av.open(**only_files(path))
    except (av.FFmpegError, ValueError) as error:
        raise MediaError(f"{path}: not readable as video or sound ({error}); {AGAIN}") from error
    with container:
        yield container


def stream_of(container: Any, kind: Literal["video", "audio"]) -> Any | None:
    """The default stream of its kind, else the first; None without one. A cover picture is no video."""
    from av.stream import Disposition

    cover = Disposition.attached_pic | Disposition.timed_thumbnails | Disposition.still_image
    able = [s for s in container.streams if s.type == kind and not s.disposition & cover and s.codec_context]
    return next((s for s in able if s.disposition & Disposition.default), able[0] if able else None)


def picture_stream(container: Any, path: Path) -> Any:
    """The stream that shows the face.

    Raises:
        MediaError: there is none.
    """
    stream = stream_of(container, "video")
    if stream is None:
        kinds = Counter(s.type for s in container.streams)
        why = "its pictures have a codec unknown here; convert it to H.264" if kinds["video"] else "give a video"
        raise MediaError(f"{path}: the file has no video stream; {why}")
    return stream


def sound_stream(container: Any, path: Path) -> Any:
    """The stream that is heard.

    Raises:
        MediaError: there is none.
    """
    stream = stream_of(container, "audio")
    if stream is None:
        raise MediaError(f"{path}: the file has no audio stream; add its sound")
    if not stream.rate:
        raise MediaError(f"{path}: its sound has a rate of 0 Hz; {AGAIN}")
    return stream


def packets_of(container: Any, stream: Any, path: Path) -> Iterator[Any]:
    """The packets of a stream that hold something, in the file's order.

    Raises:
        MediaError: the file breaks off.
    """
    import av

    try:
        for packet in container.demux(stream):
            if packet.size:
                yield packet
    except av.FFmpegError as error:
        raise MediaError(f"{path}: damaged or truncated ({error}); {AGAIN}") from error


def frames_of(container: Any, stream: Any, path: Path, bad: list[str] | None = None) -> Iterator[Any]:
    """The decoded frames of a stream. What the decoder says of packets that it refuses is added to ``bad``.

    Raises:
        MediaError: nothing could be decoded.
    """
    import av

    refused = bad if bad is not None else []
    stream.thread_type = "AUTO"
    stream.thread_count = min(_THREADS, os.cpu_count() or 1)
    any_frame = False
    try:
        for packet in container.demux(stream):
            try:
                found = packet.decode()
            except av.InvalidDataError as error:
                refused.append(str(error))
                continue
            for frame in found:
                any_frame = True
                yield frame
    except (av.FFmpegError, ValueError, NotImplementedError) as error:
        if isinstance(error, OSError) and not isinstance(error, av.FFmpegError):
            raise
        raise MediaError(f"{path}: damaged or truncated ({error}); {AGAIN}") from error
    if not any_frame:
        what = "holds no frames" if stream.type == "video" else "holds no samples"
        why = f" ({refused[0]})" if refused else ""
        raise MediaError(f"{path}: the {stream.type} stream {what}{why}; {AGAIN}")
