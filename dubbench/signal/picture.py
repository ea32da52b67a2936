"""`Picture`: a clip's video, decoded and searched for a face once, for all dubs and metrics."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from dubbench.errors import MediaError
from dubbench.signal.clock import on_grid
from dubbench.signal.film import Chosen, Film, Pictures
from dubbench.signal.sound import Deriving

if TYPE_CHECKING:
    from dubbench.signal.landmarks import LandmarkTrack


class Picture(Deriving):
    """A video that nothing is read of before something asks.

    All dubs of one clip share one, so that what a metric derives from it (`Deriving.derive`) is made once a clip.
    Frames and face come at a constant rate, `fps`: the video's own, or 25 Hz where it has none.

    Args:
        path: of the video.
        name: what to call it in an error.
    """

    def __init__(self, path: Path, name: str = "the video") -> None:
        super().__init__()
        self.path = path
        self.name = name

    @property
    def film(self) -> Film:
        """The pictures at their own times, one after another.

        Raises:
            MediaError: missing, unreadable or without pictures.
        """
        return self.derive("film", self._open)

    @property
    def fps(self) -> float:
        """Hz of `frames` and `face`."""
        return self.film.clock.grid

    @property
    def duration(self) -> float:
        """Seconds from the first picture to the end of the last."""
        return self.film.clock.duration

    @property
    def whole(self) -> bool:
        """Whether the video has a constant rate and every picture of it can be decoded: then `shown` is the film."""
        clock = self.film.clock
        return clock.steady and len(self.film) == len(clock.times)

    @property
    def frames(self) -> NDArray[np.uint8]:
        """(F, H, W, 3) RGB at `fps`; all of them, so only for short and small videos: others go through `film`.

        Raises:
            MediaError: as `film`.
        """
        return self.derive("frames", lambda: np.stack(list(self.shown)))

    @property
    def shown(self) -> Pictures:
        """`frames` one after another; without a constant rate what a player shows in the middle of each 1/25 s."""
        return self.film if self.whole else Chosen(self.film, self._grid()[1])

    @property
    def face(self) -> LandmarkTrack:
        """The most prominent face at `fps` (`dubbench.signal.landmarks.find_landmarks`), found in at least half of the
        pictures; between pictures without a constant rate it moves on a straight line.

        Raises:
            MediaError: as `film`.
            VisualError: no such face.
        """
        return self.derive("face", self._find)

    @property
    def faces(self) -> int:
        """How many faces most pictures show (`dubbench.signal.face_mesh.count_faces`)."""

        def count() -> int:
            from dubbench.signal.face_mesh import count_faces

            return count_faces(self.film)

        return self.derive("faces", count)

    def _grid(self) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
        return on_grid(self.film.times, self.duration, self.fps)

    def _open(self) -> Film:
        film = Film(self.path)
        try:
            _ = film.times
        except MediaError as error:  # the user's file, not our copy of it
            raise MediaError(str(error).replace(str(self.path), self.name)) from error
        return film

    def _find(self) -> LandmarkTrack:
        from dubbench.signal.landmarks import LandmarkTrack, find_landmarks, rows_at

        track = find_landmarks(self.film, self.name)
        if self.whole:
            return track
        places, held = self._grid()
        return LandmarkTrack(rows_at(track.points, places), track.found[held])
