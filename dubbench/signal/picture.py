"""`Picture`: a clip's video, decoded and searched for a face once, however many dubs and metrics look at it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from dubbench.signal.sound import Deriving

if TYPE_CHECKING:
    from dubbench.signal.landmarks import LandmarkTrack


class Picture(Deriving):
    """A video that nothing is read of before something asks.

    All dubs of one clip share one, so that what a metric derives from it (`Deriving.derive`) is made once a clip.

    Args:
        path: of the video.
        name: what to call it in an error.
    """

    def __init__(self, path: Path, name: str = "the video") -> None:
        super().__init__()
        self.path = path
        self.name = name

    @property
    def frames(self) -> NDArray[np.uint8]:
        """(F, H, W, 3) RGB, at the video's own rate.

        Raises:
            MediaError: missing, unreadable or without pictures.
        """
        return self.derive("frames", self._read)

    @property
    def face(self) -> LandmarkTrack:
        """The most prominent face of `frames` (`dubbench.signal.landmarks.find_landmarks`), found in at
        least half of them.

        Raises:
            MediaError: as `frames`.
            VisualError: no such face.
        """
        return self.derive("face", self._find)

    def _read(self) -> NDArray[np.uint8]:
        from dubbench.signal.media import read_frames

        return read_frames(self.path)

    def _find(self) -> LandmarkTrack:
        from dubbench.signal.landmarks import find_landmarks

        return find_landmarks(self.frames, self.name)
