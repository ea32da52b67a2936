"""Any system under another clip's video: a column that follows the lips must get worse."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from dubbench.core.request import Dub, DubRequest, Failure
from dubbench.core.staging import neutral, staged
from dubbench.core.system import Expects, System, SystemBase
from dubbench.errors import DubbenchError, one_line
from dubbench.signal.media import probe

VERSION = "1"
"""Raised whenever another video would be shown, or another length told."""


class WrongVideo(SystemBase):
    """A system that is shown another clip of the same speaker instead of the one to dub.

    Text, reference and seed stay the clip's own; picture, length and frame rate are the other's. It is a control
    because the other clip comes with the ground truth; the inner system gets no ground truth unless it is one too, and
    else, as on its own, copies of its files from which no path leads to the run.

    Args:
        inner: the system to mislead (in a spec: ``wrong_video(SYSTEM)``).
    """

    wraps = True

    def __init__(self, inner: System) -> None:
        self.inner = inner
        told = inner.info
        self.info = told.model_copy(
            update={
                "name": "wrong_video",
                "version": f"{VERSION}/{told.version}",
                "kind": "control",
                "summary": f"{told.name} under another clip's video",
                "settings": {"system": told.name, **{f"system.{key}": value for key, value in told.settings.items()}},
            }
        )

    def load(self, device: str) -> None:
        """Load the inner system."""
        self.inner.load(device)

    def expects(self, clips: Sequence[str]) -> None:
        """Tell the inner system, if it wants to know."""
        if isinstance(self.inner, Expects):
            self.inner.expects(clips)

    def dub(self, requests: Sequence[DubRequest]) -> Iterator[Dub | Failure]:
        """The inner system's answers to the misleading requests; clips without another video fail."""
        misleading = []
        for request in requests:
            try:
                misleading.append(self._misled(request))
            except DubbenchError as error:
                yield Failure(request.clip, one_line(error))
        if misleading:
            yield from self.inner.dub(misleading) if self.inner.info.privileged else self._staged(misleading)

    def _staged(self, requests: Sequence[DubRequest]) -> Iterator[Dub | Failure]:
        with staged(requests) as (copies, folder):
            try:
                for answer in self.inner.dub(copies):
                    if isinstance(answer, Failure):
                        answer = replace(answer, reason=neutral(answer.reason, folder))
                    yield answer
            except Exception as error:
                raise DubbenchError(neutral(one_line(error), folder)) from error

    def _misled(self, request: DubRequest) -> DubRequest:
        other = request.truth.other_video if request.truth is not None else None
        if other is None:
            raise DubbenchError(
                f"clip {request.clip}: its speaker has no other clip whose video could be shown; add one"
            )
        video = probe(Path(other))
        truth = request.truth if self.inner.info.privileged else None
        return replace(request, video=Path(other), duration=video.duration, fps=video.fps, truth=truth)

    def close(self) -> None:
        """Close the inner system."""
        self.inner.close()
