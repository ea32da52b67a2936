"""Sound, pictures and spectra as small bytes that every browser plays or shows."""

from __future__ import annotations

import io
import itertools
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dubbench.errors import DubbenchError, MediaError
from dubbench.signal.clock import timeline
from dubbench.signal.copies import encode_film
from dubbench.signal.film import shown
from dubbench.signal.media import RATE
from dubbench.signal.mel import mel_bank
from dubbench.signal.png import png
from dubbench.signal.world import f0_track

WIDTH = 256
"""Widest picture in pixels."""

LONGEST = 30.0
"""Seconds of a clip that a player holds."""

HOP = 0.01
"""Seconds a column of a spectrum and a value of F0."""

BANDS, FFT = 64, 512
FLOOR = 62.0
"""Decibels below the loudest that are black."""

_COLOURS = ((0x0B, 0x10, 0x18), (0x17, 0x2B, 0x4D), (0x1B, 0x62, 0x84), (0x3F, 0xA7, 0x96), (0xF4, 0xEC, 0xB0))


def video(path: Path) -> bytes:
    """The pictures of a video as they are shown: mp4, H.264 yuv420p, no sound, at most `WIDTH` wide, `LONGEST` seconds.

    Raises:
        MediaError: missing or unreadable.
    """
    import av

    clock = timeline(path)
    file = io.BytesIO()
    try:
        frames = itertools.takewhile(lambda shown: shown[1] < LONGEST, shown(path, clock))
        first = next(frames)
        scale = min(1.0, WIDTH / first[0].width)
        width, height = (max(2, round(n * scale / 2) * 2) for n in (first[0].width, first[0].height))
        with av.open(file, "w", format="mp4") as output:
            for packet in encode_film(itertools.chain([first], frames), clock, (width, height), output, 27):
                output.mux(packet)
    except (av.FFmpegError, ValueError) as error:
        raise MediaError(f"{path}: no picture can be made for the player ({error})") from error
    return file.getvalue()


def sound(samples: NDArray[np.float32], rate: int) -> bytes:
    """(T,) as 16-bit FLAC: lossless and without a codec's delay, so that lips and voice are as they were scored."""
    import soundfile

    file = io.BytesIO()
    kept = np.clip(samples[: int(LONGEST * rate)], -1.0, 1.0)
    soundfile.write(file, kept, rate, format="FLAC", subtype="PCM_16")
    return file.getvalue()


def mel(samples: NDArray[np.float32]) -> NDArray[np.float64]:
    """(T,) at 16 kHz to (64, T / 160 + 1) power in mel bands (HTK scale, 50 to 8000 Hz), Hann windows of 32 ms."""
    hop = int(HOP * RATE)
    padded = np.pad(samples.astype(np.float64), FFT // 2)
    frames = np.lib.stride_tricks.sliding_window_view(padded, FFT)[::hop]
    power = np.abs(np.fft.rfft(frames * np.hanning(FFT), axis=1)) ** 2
    return np.asarray(mel_bank(BANDS, FFT, RATE, 50.0, RATE / 2) @ power.T)


def picture(power: NDArray[np.float64], loudest: float, columns: int) -> bytes:
    """(64, T) mel power as a PNG of ``columns`` × 64, low bands at the foot; ``loudest`` power is brightest."""
    level = 10 * np.log10(np.maximum(power / max(loudest, 1e-12), 1e-12))
    shade = np.clip(np.round((1 + level / FLOOR) * 255), 0, 255).astype(np.uint8)
    image = np.zeros((BANDS, columns), np.uint8)
    image[:, : shade.shape[1]] = shade[::-1, :columns]
    anchors = np.linspace(0, 255, len(_COLOURS))
    palette = np.stack([np.interp(np.arange(256), anchors, [c[k] for c in _COLOURS]) for k in range(3)], 1)
    return png(image, palette.round().astype(np.uint8))


def pitch(samples: NDArray[np.float32]) -> list[int]:
    """F0 in whole Hz every 10 ms, 0 where unvoiced (WORLD's dio and stonemask); empty where pyworld is absent."""
    x = samples.astype(np.float64)
    if x.size < FFT:
        return []
    try:
        f0, _ = f0_track(x, RATE, hop_ms=1000 * HOP)
    except DubbenchError:
        return []
    return [round(float(f)) for f in f0]
