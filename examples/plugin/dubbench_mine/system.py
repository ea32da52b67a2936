"""A dubbing system."""

from collections.abc import Iterator, Sequence

import numpy as np

from dubbench.core.request import Dub, DubRequest, Failure
from dubbench.core.system import SystemBase, SystemInfo


class Beep(SystemBase):
    """A tone as long as the video: the least that a system can be.

    Args:
        hertz: the tone's frequency.
    """

    def __init__(self, hertz: float = 220.0) -> None:
        self.hertz = hertz
        self.info = SystemInfo(name="beep", kind="baseline", summary="a tone", licence="CC0", settings={"hertz": hertz})

    def dub(self, requests: Sequence[DubRequest]) -> Iterator[Dub | Failure]:
        """Answer each request. A real system reads request.video, request.text and request.reference."""
        for request in requests:
            time = np.arange(round(request.duration * 16000)) / 16000
            samples = (0.1 * np.sin(2 * np.pi * self.hertz * time)).astype(np.float32)
            yield Dub(request.clip, samples, 16000)
