"""Reading and writing of sound and pictures, for the whole package.

The clock (`dubbench.signal.clock`): time zero is when the first video frame is due. Sound that starts earlier is cut,
sound that starts later is padded with zeros in front, so that sample ``t * rate`` belongs to video time ``t``.
Audio-only files start at zero. Channels are averaged, rates are changed with soxr HQ.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dubbench.errors import MediaError
from dubbench.runtime.files import atomic
from dubbench.runtime.provenance import versions
from dubbench.signal.clock import timeline
from dubbench.signal.container import AGAIN as AGAIN
from dubbench.signal.container import opened, stream_of
from dubbench.signal.copies import mux as mux
from dubbench.signal.copies import silent_copy as silent_copy
from dubbench.signal.copies import x264 as x264
from dubbench.signal.film import rgb, shown
from dubbench.signal.soundtrack import Soundtrack, soundtrack

RATE = 16000
"""The benchmark's sample rate in Hz."""

RESAMPLER = "HQ"
"""soxr's quality."""

_SOUND_FILES = {".wav", ".flac", ".ogg", ".aiff", ".aif"}


@dataclass(frozen=True, slots=True)
class VideoInfo:
    """What a video is.

    Attributes:
        fps: frames per second; 25 for a video without a constant rate, whose features are read at 25 Hz.
        frames: pictures that are due to be shown.
        width, height: as shown, in pixels.
        has_audio: whether there is sound in the file.
        seconds: length of a video without a constant rate; None for others.
    """

    fps: float
    frames: int
    width: int
    height: int
    has_audio: bool
    seconds: float | None = None

    @property
    def duration(self) -> float:
        """Length of the picture in seconds: frames / fps at a constant rate."""
        return self.frames / self.fps if self.seconds is None else self.seconds


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
    """Mono sound of ``path`` on the clock of its pictures, if it has any.

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


def read_audio_native(path: Path, as_stated: bool = False) -> tuple[NDArray[np.float32], int]:
    """As `read_audio`, at the file's own rate: ((T,) float32, rate in Hz).

    ``as_stated`` cuts what AAC adds at the end of an mp4, so that a dub is as long as its wav was.
    """
    track = hear(path, as_stated)
    return track.samples, track.rate


def hear(path: Path, as_stated: bool = False) -> Soundtrack:
    """`read_audio_native` with what is odd in the sound."""
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
        return Soundtrack(as_mono(x, str(path)), int(native))
    track = soundtrack(path, as_stated)
    track.samples = as_mono(track.samples, str(path))
    return track


def read_frames(path: Path) -> NDArray[np.uint8]:
    """All pictures of a video as they are shown: (F, H, W, 3) uint8 RGB. A `dubbench.signal.film.Film` needs less room.

    Raises:
        MediaError: missing, unreadable or without pictures.
    """
    return np.stack([picture for picture, _ in rgb(path)])


def probe(path: Path) -> VideoInfo:
    """What the video is, from its packets and its first picture.

    Raises:
        MediaError: missing, unreadable or without a picture that can be decoded.
    """
    clock = timeline(path)
    first, _ = next(shown(path, clock))
    with opened(path) as container:
        sounds = stream_of(container, "audio") is not None
    seconds = None if clock.steady else clock.duration
    return VideoInfo(clock.grid, len(clock.times), first.width, first.height, sounds, seconds)


def write_wav(path: Path, samples: NDArray[np.float32], rate: int) -> None:
    """Write (T,) mono as 32-bit float wav, atomically: what is read back is what was written, bit for bit.

    Not through libsndfile, which writes the time of day into such files.
    """
    from scipy.io import wavfile

    with atomic(path) as temporary:
        wavfile.write(temporary, rate, np.ascontiguousarray(samples, dtype=np.float32))
