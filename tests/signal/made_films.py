"""Videos as people have them, made from one clip by ffmpeg: the recipes of what went wrong."""

from __future__ import annotations

import random
import subprocess
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

CASES: dict[str, tuple[str, ...]] = {
    "b-frames.mkv": ("{c} -c:v libx264 -crf 18 -c:a aac {o}",),
    "hevc.mkv": ("{c} -c:v libx265 -x265-params log-level=none -crf 18 -c:a aac {o}",),
    "gop12.mkv": ("{c} -c:v libx264 -crf 18 -g 12 -c:a aac {o}",),
    "phone-vfr.mp4": (
        "{c} -vf minterpolate=fps=30 -c:v libx264 -crf 12 -c:a aac {t}.mp4",
        "-i {t}.mp4 -vf select='mod(n+1\\,40)',setpts='PTS+0.003*sin(N*1.7)/TB' -fps_mode passthrough "
        "-enc_time_base 1/600 -video_track_timescale 600 -c:v libx264 -c:a copy {o}",
    ),
    "half-rate-tail.mp4": (
        "{c} -vf setpts=PTS-STARTPTS,select='lt(t\\,1.4)+not(mod(n\\,2))' -fps_mode vfr -enc_time_base 1/90000 "
        "-video_track_timescale 90000 -c:v libx264 {o}",
    ),
    "held-picture.mp4": (
        "{c} -vf select='lt(t\\,0.1)+gt(t\\,0.55)' -fps_mode passthrough -enc_time_base 1/25 -c:v libx264 {o}",
    ),
    "grey-start.mpg": ("{c} -c copy -copyinkf -bsf:v noise=drop='eq(n\\,0)' {o}",),
    "rotated-180.mp4": ("{c} -vf hflip,vflip -c:v libx264 {t}.mp4", "-display_rotation 180 -i {t}.mp4 -c copy {o}"),
    "rotated-90.mp4": ("{c} -vf transpose=1 -c:v libx264 {t}.mp4", "-display_rotation 90 -i {t}.mp4 -c copy {o}"),
    "old.wmv": ("{c} -c:v wmv2 -b:v 2M -c:a wmav2 {o}",),
    "old.flv": ("{c} -c:v flv -b:v 2M -ar 44100 {o}",),
    "old.3gp": ("{c} -c:v h263 -b:v 2M -s 352x288 -c:a aac {o}",),
    "h264.avi": ("{c} -c:v libx264 -crf 18 -c:a libmp3lame {o}",),
    "cut.mp4": ("{c} -c:v libx264 -crf 18 -c:a aac {t}.mp4", "-ss 0.5 -i {t}.mp4 -c copy {o}"),
}
"""File name -> the commands that make it; ``{c}`` is the clip as input, ``{o}`` the output, ``{t}`` a file between."""


def ffmpeg(command: str) -> None:
    """Run ffmpeg's command line (the one in the wheel of imageio-ffmpeg)."""
    tool = pytest.importorskip("imageio_ffmpeg").get_ffmpeg_exe()
    parts = [part.replace("'", "") for part in command.split()]
    subprocess.run([tool, "-v", "error", "-y", *parts], check=True)


def make(name: str, clip: Path, folder: Path) -> Path:
    """The case ``name`` made from a clip."""
    target = folder / name
    for command in CASES[name]:
        ffmpeg(command.format(c=f"-i {clip}", o=target, t=folder / f"between-{target.stem}"))
    return target


def damaged(clip: Path, target: Path) -> Path:
    """The clip with twelve stretches of 24 random bytes in its middle third."""
    content, drawn = bytearray(clip.read_bytes()), random.Random(0)
    for _ in range(12):
        at = drawn.randrange(len(content) // 3, 2 * len(content) // 3)
        content[at : at + 24] = bytes(drawn.randrange(256) for _ in range(24))
    target.write_bytes(content)
    return target


def picture_times(path: Path) -> NDArray[np.float64]:
    """Seconds at which a player shows each picture, from the first on, by libav alone; AVI has slots for them."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        if container.format.name == "avi":
            slots = sorted(packet.dts * stream.time_base for packet in container.demux(stream) if packet.size)
            return np.array([float(slot - slots[0]) for slot in slots])
        frames = list(container.decode(stream))
        times = np.array([float(frame.pts * frame.time_base) for frame in frames])
    return times - times[0]
