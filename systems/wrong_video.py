"""``wrong-video(SYSTEM)``: any system under another clip's video.

A system that looks at the lips must get worse in time by it; one that does not cannot notice.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from dubbench.media import probe
from dubbench.request import Dub, DubRequest, Failure
from dubbench.system import System, SystemInfo


class WrongVideo:
    """Hands a system the video of another clip of the same speaker; its text and reference stay.

    Args:
        inner: the system; a control keeps its privileges.
    """

    wraps = True

    def __init__(self, inner: System) -> None:
        self.inner = inner
        info = inner.info
        self.info = SystemInfo(
            name="wrong-video",
            version=info.version,
            kind="control",
            summary=f"{info.name} under another clip's video",
            licence=info.licence,
            weights=info.weights,
            trained_on=info.trained_on,
            conditioned_on=info.conditioned_on,
            settings={"system": info.name, **info.settings},
            batch=info.batch,
        )

    def load(self, device: str) -> None:
        """Load the inner system."""
        self.inner.load(device)

    def dub(self, requests: Sequence[DubRequest]) -> Iterator[Dub | Failure]:
        """Dub each text onto the other clip's video, as long as that video."""
        changed = []
        for request in requests:
            truth = request.truth
            if truth is None or truth.other_video is None:
                yield Failure(request.clip, "no other clip of this speaker to take a wrong video from")
                continue
            video = probe(truth.other_video)
            changed.append(
                replace(
                    request,
                    video=truth.other_video,
                    duration=video.duration,
                    fps=video.fps,
                    truth=truth if self.inner.info.privileged else None,
                )
            )
        if changed:
            yield from self.inner.dub(changed)

    def close(self) -> None:
        """Close the inner system."""
        self.inner.close()
