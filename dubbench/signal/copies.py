"""Videos written: the silent working copy, and a dub with its pictures; both keep the pictures' times."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dubbench.errors import MediaError
from dubbench.runtime.files import atomic
from dubbench.signal.clock import Timeline, timeline
from dubbench.signal.container import AGAIN, opened, packets_of, picture_stream
from dubbench.signal.film import shown
from dubbench.signal.survey import LATE, Survey, survey

_COPIED = {"h264", "hevc", "mpeg1video", "mpeg2video", "mpeg4", "vp8", "vp9", "av1", "mjpeg", "ffv1", "theora"}
"""Codecs that Matroska holds."""
_TICKS = 1000
"""Matroska counts milliseconds."""
_FINE = 90000
"""Ticks a second of a dub's pictures where the source does not say better."""


def silent_copy(source: Path, target: Path, seen: Survey | None = None) -> None:
    """Copy the pictures of ``source`` without sound to ``target`` (.mkv), atomically.

    The packets are copied as they are where that is what players show. Else (turned, with an edit list, interlaced,
    not square, without times, a codec that Matroska does not hold) the pictures are encoded anew as they are shown,
    as JPEGs of the best usual quality; where the first cannot be decoded, the next stands in for it from time zero on.

    Args:
        seen: of ``source``, where it is known already.

    Raises:
        MediaError: unreadable, or it cannot be written in this format.
    """
    import av

    seen = seen or survey(source)
    with atomic(target) as temporary:
        try:
            with av.open(str(temporary), "w", format="matroska", options={"fflags": "+bitexact"}) as output:
                with opened(source) as container:
                    stream = picture_stream(container, source)
                    plain = seen.plain and stream.codec_context.name in _COPIED
                    if plain:
                        _copy(container, stream, source, seen.clock, output)
                if not plain:
                    _encode(source, seen, output)
        except (av.FFmpegError, ValueError) as error:
            if isinstance(error, OSError) and not isinstance(error, av.error.ArgumentError | av.InvalidDataError):
                raise
            raise MediaError(f"{source}: no working copy can be made ({error}); convert it to H.264 in mp4") from error


def _copy(container: Any, stream: Any, source: Path, clock: Timeline, output: Any) -> None:
    packets = list(packets_of(container, stream, source))
    unit = stream.time_base
    zero = round(Fraction(clock.zero) / unit)
    times = [(p.pts if clock.stated else p.dts) - zero for p in packets]
    shown_at = sorted(times)
    early = max(due - time for due, time in zip(shown_at, times, strict=True))
    copy = output.add_stream_from_template(stream)
    for due, time, packet in zip(shown_at, times, packets, strict=True):
        packet.pts = time
        packet.dts = due - early  # some files lack it: pictures decode in the order of packets, before they are shown
        packet.stream = copy
        output.mux(packet)


def _encode(source: Path, seen: Survey, output: Any) -> None:
    rate = Fraction(seen.clock.fps).limit_denominator(1001 * 60)
    options = {"flags": "+qscale", "global_quality": str(2 * 118), "threads": "1"}
    stream: Any = output.add_stream("mjpeg", rate=rate, options=options)
    stream.width, stream.height, stream.pix_fmt = seen.width, seen.height, "yuvj420p"
    stream.codec_context.time_base = Fraction(1, _TICKS)
    for frame, time in _from_zero(shown(source, seen.clock)):
        picture = frame.reformat(format="yuvj420p")
        picture.pts, picture.time_base = round(time * _TICKS), Fraction(1, _TICKS)
        picture.pict_type = 0
        output.mux(stream.encode(picture))
    output.mux(stream.encode(None))


def _from_zero(frames: Iterator[tuple[Any, float]]) -> Iterator[tuple[Any, float]]:
    for number, (frame, time) in enumerate(frames):
        if not number and time > LATE:
            yield frame, 0.0
        yield frame, time


def x264(crf: int, preset: str = "veryfast", exact: bool = False) -> dict[str, str]:
    """Options of the encoder on one thread; ``crf`` from 0 (best) to 51.

    ``exact`` leaves out assembly, whose output has been seen to vary between equal calls (x264 in PyAV 18.1 reads past
    its buffers), at several times the work, and B-frames, so that the picture starts at time zero.
    """
    options = {"crf": str(crf), "preset": preset, "threads": "1"}
    return {**options, "bf": "0", "x264-params": "asm=0"} if exact else options


def encode_film(
    frames: Iterator[tuple[Any, float]], clock: Timeline, size: tuple[int, int], output: Any, crf: int
) -> Iterator[Any]:
    """H.264 packets (yuv420p) of pictures at their times.

    Args:
        frames: as `shown` gives them.
        clock: theirs; a constant rate is kept as one, other times to 1/90000 s.
        size: width and height to bring them to, both even.
        output: libav's container to write to.
        crf: see `x264`.
    """
    rate = Fraction(clock.fps).limit_denominator(1001 * 60)
    unit = 1 / rate if clock.steady else Fraction(1, _FINE)
    stream: Any = output.add_stream("libx264", rate=rate, options=x264(crf, exact=True))
    stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
    stream.codec_context.time_base = unit
    for frame, time in frames:
        small = frame.reformat(width=size[0], height=size[1], format="yuv420p")
        small.pts, small.time_base = round(time / unit), unit
        small.pict_type = 0
        yield from stream.encode(small)
    yield from stream.encode(None)


def mux(video: Path, samples: NDArray[np.float32], rate: int, target: Path, comment: str = "") -> None:
    """The pictures of ``video`` with ``samples`` as their sound: an mp4 (H.264, AAC) that browsers play, atomically.

    The pictures are as players show them, at the times of the original. Sound beyond the picture is kept, so that a
    dub of the wrong length can be heard. ``comment`` goes into the file's metadata.

    Raises:
        MediaError: unreadable, or no mp4 can be made of it.
    """
    import av

    clock = timeline(video)
    frames = shown(video, clock)
    first = next(frames, None)
    if first is None:
        raise MediaError(f"{video}: the video stream holds no frames; {AGAIN}")
    width, height = (n - n % 2 for n in (first[0].width, first[0].height))
    if not width or not height:
        raise MediaError(f"{video}: pictures of {first[0].width} × {first[0].height} are too small for an mp4")
    frame = av.AudioFrame.from_ndarray(samples[None].astype(np.float32), format="fltp", layout="mono")
    frame.sample_rate, frame.pts, frame.time_base = rate, 0, Fraction(1, rate)
    with atomic(target) as temporary:
        try:
            with av.open(str(temporary), "w", format="mp4") as output:
                if comment:
                    output.metadata["comment"] = comment
                packets = encode_film(itertools.chain([first], frames), clock, (width, height), output, 23)
                head = next(packets)
                sound: Any = output.add_stream("aac", rate=rate, layout="mono")
                output.mux(head)
                for packet in packets:
                    output.mux(packet)
                output.mux(sound.encode(frame))
                output.mux(sound.encode(None))
        except (av.error.ArgumentError, av.InvalidDataError, ValueError) as error:
            raise MediaError(f"{video}: no mp4 can be made of it ({error}); convert it to H.264 in mp4") from error
