"""Sound and pictures in and out: the only place that touches containers, codecs and sample rates.

The clock: time zero is the presentation time of the first video frame. Sound that starts earlier is cut, sound
that starts later is padded with zeros in front, so that sample ``t * rate`` belongs to video time ``t``.
Audio-only files start at zero. Channels are averaged, rates are changed with soxr HQ.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dubbench.errors import MediaError
from dubbench.runtime.files import atomic
from dubbench.runtime.provenance import versions

RATE = 16000
"""The benchmark's sample rate in Hz."""

RESAMPLER = "HQ"
"""soxr's quality."""

AGAIN = "get or make it again"
"""What to do about a file that is no good."""

_SOUND_FILES = {".wav", ".flac", ".ogg", ".aiff", ".aif"}


@dataclass(frozen=True, slots=True)
class VideoInfo:
    """What a video is. ``duration`` is frames / fps, in seconds."""

    fps: float
    frames: int
    width: int
    height: int
    has_audio: bool

    @property
    def duration(self) -> float:
        """Length of the picture in seconds."""
        return self.frames / self.fps


@cache
def _recipe() -> dict[str, str | int]:
    import av

    codec = ".".join(map(str, av.library_versions["libavcodec"]))
    return {
        "clock": "zero at the first picture; earlier sound cut, later sound padded with zeros",
        "channels": "mean",
        "rate": RATE,
        "resampler": f"soxr {RESAMPLER}",
        "libavcodec": codec,
        **versions("soxr", "av", "soundfile"),
    }


def recipe() -> dict[str, str | int]:
    """How files become samples and pictures here: part of every metric's recipe and of every prepared clip's digest."""
    return dict(_recipe())


def resample(samples: NDArray[np.float32], rate: int, to: int) -> NDArray[np.float32]:
    """(T,) at ``rate`` Hz to (T * to / rate,) at ``to`` Hz with soxr HQ."""
    if rate == to:
        return samples
    import soxr

    return np.asarray(soxr.resample(samples, rate, to, quality=RESAMPLER), dtype=np.float32)


def as_mono(samples: NDArray[Any], where: str) -> NDArray[np.float32]:
    """(T,) or (T, channels) of any real dtype to mono float32; integers are scaled by their full range.

    Raises:
        MediaError: nothing in it, more than two axes, or NaN or Inf samples.
    """
    x = np.asarray(samples)
    if x.size == 0:
        raise MediaError(f"{where}: no samples; {AGAIN}")
    if x.ndim not in (1, 2):
        raise MediaError(f"{where}: samples of shape {x.shape}; give (T,) or (T, channels)")
    if np.issubdtype(x.dtype, np.integer):
        x = x.astype(np.float64) / -float(np.iinfo(x.dtype).min)
    elif not np.issubdtype(x.dtype, np.floating):
        raise MediaError(f"{where}: samples of type {x.dtype}; give floats in [-1, 1] or integers")
    if x.ndim == 2:
        x = x.mean(axis=1)
    x = np.ascontiguousarray(x, dtype=np.float32)
    bad = int(np.count_nonzero(~np.isfinite(x)))
    if bad:
        raise MediaError(f"{where}: {bad} of {x.size} samples are NaN or Inf; {AGAIN}")
    return x


def read_audio(path: Path, rate: int | None = RATE) -> NDArray[np.float32]:
    """Mono sound of ``path`` on the video's clock.

    Args:
        path: a sound file (wav, flac, ogg) or any container with an audio stream.
        rate: in Hz.

    Returns:
        (T,) float32.

    Raises:
        MediaError: missing, unreadable, without sound, empty, or with NaN or Inf samples.
    """
    samples, native = read_audio_native(path)
    return resample(samples, native, rate) if rate else samples


def read_audio_native(path: Path) -> tuple[NDArray[np.float32], int]:
    """As `read_audio`, at the file's own rate: ((T,) float32, rate in Hz)."""
    path = Path(path)
    if not path.is_file():
        raise MediaError(f"{path}: no such file; put it there")
    if path.stat().st_size == 0:
        raise MediaError(f"{path}: the file is empty; {AGAIN}")
    if path.suffix.lower() in _SOUND_FILES:
        import soundfile

        try:
            x, native = soundfile.read(path, dtype="float32", always_2d=True)
        except (soundfile.LibsndfileError, RuntimeError) as error:
            raise MediaError(f"{path}: not readable as sound ({error}); {AGAIN}") from error
        return as_mono(x, str(path)), int(native)
    with _opened(path) as container:
        if not container.streams.audio:
            raise MediaError(f"{path}: the file has no audio stream; add its sound")
        return _decode_audio(container, path)


def _decode_audio(container: Any, path: Path) -> tuple[NDArray[np.float32], int]:
    """Decode the first audio stream, then shift it onto the video's clock."""
    stream = container.streams.audio[0]
    video = container.streams.video[0] if container.streams.video else None
    rate = int(stream.rate)
    chunks: list[NDArray[np.float32]] = []
    start: float | None = None
    for frame in _frames(container, stream, path):
        if start is None:
            start = float(frame.pts * frame.time_base) if frame.pts is not None else 0.0
        x = frame.to_ndarray()
        if not np.issubdtype(x.dtype, np.floating):
            x = x.astype(np.float32) / -float(np.iinfo(x.dtype).min)
        channels = frame.layout.nb_channels
        x = x.reshape(-1, channels).T if not frame.format.is_planar else x
        chunks.append(x.mean(axis=0, dtype=np.float32))
    if start is None:
        raise MediaError(f"{path}: the audio stream holds no samples; {AGAIN}")
    zero = _first_picture(container, video, path) if video is not None else start
    samples = np.concatenate(chunks)
    shift = round((start - zero) * rate)
    samples = np.concatenate([np.zeros(shift, np.float32), samples]) if shift > 0 else samples[-shift:]
    return as_mono(samples, str(path)), rate


def _first_picture(container: Any, video: Any, path: Path) -> float:
    """Presentation time of the first video frame in seconds."""
    if video.start_time is not None:
        return float(video.start_time * video.time_base)
    container.seek(0)
    for frame in _frames(container, video, path):
        return float(frame.pts * frame.time_base) if frame.pts is not None else 0.0
    raise MediaError(f"{path}: the video stream holds no frames; {AGAIN}")


def read_frames(path: Path) -> NDArray[np.uint8]:
    """All pictures of a video: (F, H, W, 3) uint8 RGB.

    Raises:
        MediaError: missing, unreadable or without pictures.
    """
    frames = [frame.to_ndarray(format="rgb24") for frame, _ in shown(path)]
    if not frames:
        raise MediaError(f"{path}: the video stream holds no frames; {AGAIN}")
    return np.stack(frames)


def shown(path: Path) -> Iterator[tuple[Any, float]]:
    """libav's frames of a video, one after another, each with the stream's rate: 0 where the file does not tell it.

    Raises:
        MediaError: missing, unreadable or without a picture stream.
    """
    with _opened(path) as container:
        if not container.streams.video:
            raise MediaError(f"{path}: the file has no video stream; give a video")
        stream = container.streams.video[0]
        stream.thread_type = "AUTO"
        fps = float(stream.average_rate or stream.guessed_rate or 0)
        for frame in _frames(container, stream, path):
            yield frame, fps


def probe(path: Path) -> VideoInfo:
    """What the video is, from its packets (nothing is decoded).

    Raises:
        MediaError: missing, unreadable or without a picture stream.
    """
    with _opened(path) as container:
        if not container.streams.video:
            raise MediaError(f"{path}: the file has no video stream; give a video")
        stream = container.streams.video[0]
        fps = stream.average_rate or stream.guessed_rate
        if not fps:
            raise MediaError(f"{path}: the frame rate is unknown; encode it anew with a fixed one")
        count = sum(1 for packet in _packets(container, stream, path) if packet.size)
        if not count:
            raise MediaError(f"{path}: the video stream holds no frames; {AGAIN}")
        return VideoInfo(float(fps), count, stream.width, stream.height, bool(container.streams.audio))


def silent_copy(source: Path, target: Path) -> None:
    """Copy the pictures of ``source`` without sound and without re-encoding to ``target`` (.mkv), atomically."""
    import av

    with _opened(source) as container, atomic(target) as temporary:
        if not container.streams.video:
            raise MediaError(f"{source}: the file has no video stream; give a video")
        stream = container.streams.video[0]
        with av.open(str(temporary), "w", format="matroska", options={"fflags": "+bitexact"}) as output:
            copy = output.add_stream_from_template(stream)
            zero = stream.start_time or 0  # of presentation: with B-frames the first decoding time lies before it
            for packet in _packets(container, stream, source):
                if packet.dts is None:
                    continue
                packet.pts = packet.pts - zero if packet.pts is not None else None
                packet.dts -= zero
                packet.stream = copy
                output.mux(packet)


def write_wav(path: Path, samples: NDArray[np.float32], rate: int) -> None:
    """Write (T,) mono as 32-bit float wav, atomically: what is read back is what was written, bit for bit.

    Not through libsndfile, which writes the time of day into such files.
    """
    from scipy.io import wavfile

    with atomic(path) as temporary:
        wavfile.write(temporary, rate, np.ascontiguousarray(samples, dtype=np.float32))


def x264(crf: int, preset: str = "veryfast", exact: bool = False) -> dict[str, str]:
    """Options of the encoder on one thread; ``crf`` from 0 (best) to 51.

    ``exact`` leaves out assembly, whose output has been seen to vary between equal calls (x264 in PyAV 18.1 reads past
    its buffers), at several times the work, and B-frames, so that the picture starts at time zero.
    """
    options = {"crf": str(crf), "preset": preset, "threads": "1"}
    return {**options, "bf": "0", "x264-params": "asm=0"} if exact else options


def mux(video: Path, samples: NDArray[np.float32], rate: int, target: Path) -> None:
    """The pictures of ``video`` with ``samples`` as their sound: an mp4 (H.264, AAC) that browsers play, atomically.

    Sound beyond the picture is kept, so that a dub of the wrong length can be heard.
    """
    import av

    frames = read_frames(video)
    fps = Fraction(probe(video).fps).limit_denominator(1001 * 60)
    height, width = (n - n % 2 for n in frames.shape[1:3])
    with atomic(target) as temporary, av.open(str(temporary), "w", format="mp4") as output:
        pictures: Any = output.add_stream("libx264", rate=fps, options=x264(23, exact=True))
        pictures.width, pictures.height, pictures.pix_fmt = width, height, "yuv420p"
        sound: Any = output.add_stream("aac", rate=rate, layout="mono")
        for picture in frames:
            output.mux(pictures.encode(av.VideoFrame.from_ndarray(picture[:height, :width], format="rgb24")))
        output.mux(pictures.encode(None))
        frame = av.AudioFrame.from_ndarray(samples[None].astype(np.float32), format="fltp", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = rate, 0, Fraction(1, rate)
        output.mux(sound.encode(frame))
        output.mux(sound.encode(None))


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    import av

    path = Path(path)
    if not path.is_file():
        raise MediaError(f"{path}: no such file; put it there")
    try:
        container = av.open(str(path))
    except (av.FFmpegError, ValueError) as error:
        raise MediaError(f"{path}: not readable as video or sound ({error}); {AGAIN}") from error
    with container:
        yield container


def _frames(container: Any, stream: Any, path: Path) -> Iterator[Any]:
    import av

    try:
        yield from container.decode(stream)
    except av.FFmpegError as error:
        raise MediaError(f"{path}: damaged or truncated ({error}); {AGAIN}") from error


def _packets(container: Any, stream: Any, path: Path) -> Iterator[Any]:
    import av

    try:
        yield from container.demux(stream)
    except av.FFmpegError as error:
        raise MediaError(f"{path}: damaged or truncated ({error}); {AGAIN}") from error
