"""Signs that a video was cut short, found without decoding it.

Sure ones: a packet that is longer, as the container says, than what is left of the file, and a Matroska file that ends
before the time that its head tells. A file that was cut between two packets shows neither; then its sound and its
picture mostly end apart, which may have other causes too.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dubbench.errors import MediaError
from dubbench.signal.container import only_files
from dubbench.signal.media import AGAIN

TOGETHER = 0.1
"""Seconds by which sound and picture may end apart: GRID's originals differ by 22 ms, a lost frame by 40 ms more."""
SHORT = 0.25
"""Seconds by which a video may be shorter than it should be: rounding, and last frames without a length."""


def cut_short(path: Path) -> str:
    """Why the file is surely not whole, in one line; empty where nothing says so.

    Raises:
        MediaError: not readable.
    """
    import av

    broken, end = 0, 0.0
    try:
        asked = only_files(path)
        asked["options"]["fflags"] = "+noparse"  # packets as they are in the file
        with av.open(**asked) as container:
            for packet in container.demux():
                broken += packet.is_corrupt
                if packet.pts is not None and packet.size:
                    end = max(end, float((packet.pts + (packet.duration or 0)) * packet.time_base))
            told = _told(container)
    except (av.FFmpegError, ValueError) as error:
        raise MediaError(f"{path}: not readable as video ({error}); {AGAIN}") from error
    if broken:
        return f"{path}: cut short or damaged, {broken} of its packets {'is' if broken == 1 else 'are'} torn; {AGAIN}"
    if told - end > SHORT:
        return f"{path}: cut short, it ends at {end:.2f} s of {told:.2f} s; {AGAIN}"
    return ""


def _told(container: Any) -> float:
    """The length in seconds that stands in the head of the file; 0 where libav would have guessed it from packets."""
    return container.duration / 1e6 if "matroska" in container.format.name and container.duration else 0.0


def ending(apart: float) -> str:
    """In words, how far apart sound and picture end; empty if they end together.

    Args:
        apart: end of the sound less end of the picture, in seconds.
    """
    if abs(apart) <= TOGETHER:
        return ""
    return f"the sound ends {abs(apart):.2f} s {'after' if apart > 0 else 'before'} the picture"


def note(apart: Mapping[str, float], dataset: str) -> str:
    """A line on the clips whose sound and picture do not end together; empty if there are none.

    Args:
        apart: clip -> end of its sound less end of its picture, in seconds.
        dataset: its name.
    """
    found = {clip: ending(seconds) for clip, seconds in sorted(apart.items()) if ending(seconds)}
    if not found:
        return ""
    clip, first = next(iter(found.items()))
    return (
        f"sound and picture of {len(found):,} of {len(apart):,} clips end more than {TOGETHER:g} s apart (in {clip} "
        f"{first}): they may have been cut short; see: dubbench data check {dataset}"
    )
