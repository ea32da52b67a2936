"""A check of data by the sync expert: do lips and voice of a clip's own video belong together in time?"""

from __future__ import annotations

from dubbench.core.clip import Clip
from dubbench.core.metric import Item, Unscored
from dubbench.datasets.check import faces
from dubbench.errors import DubbenchError, one_line
from dubbench.signal.picture import Picture
from dubbench.signal.sound import Sound
from dubbench.signal.soundtrack import Soundtrack

APART_MS = 100.0
"""|Sync-offset| beyond which a clip's own sound and picture are said to be apart. Of 51 clips of GRID and Chem none has
more than 40 ms, which is one picture."""


def faces_and_sync(clip: Clip, picture: Picture, track: Soundtrack | None) -> list[str]:
    """`dubbench.datasets.check.faces`, and how far the sound lies from the lips; empty if all is well."""
    lines = faces(clip, picture, track)
    if track is None:
        return lines
    try:
        from dubbench.metrics.sync import Sync

        sound = Sound(track.samples, track.rate)
        stats = Sync().score(Item(clip, sound, None, None, picture.duration, picture.fps, picture))
    except DubbenchError as error:
        return lines if one_line(error) in lines else [*lines, one_line(error)]
    if isinstance(stats, Unscored):
        return lines
    apart = stats["offset_abs_ms"]
    if apart > APART_MS:
        lines.append(f"{clip.video}: sound and lips are about {apart:.0f} ms apart (by the sync expert); shift one")
    return lines
