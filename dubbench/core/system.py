"""The protocol of a dubbing system, and its description of itself."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal, Protocol, runtime_checkable

from pydantic import BaseModel, ConfigDict

from dubbench.core.request import Dub, DubRequest, Failure


class SystemInfo(BaseModel):
    """What a system says about itself. Everything here is part of the system's identity.

    Attributes:
        name: as it is registered.
        version: raised whenever the same request would give another dub.
        kind: ``model``; ``baseline`` (honest, but not a dubbing model); ``control`` (privileged: is handed the
            ground truth, is badged, and never ranks); ``precomputed`` (finished wavs, nothing is timed).
        summary: one line.
        paper: citation or address of the paper; empty if there is none.
        licence: of code and weights.
        weights: name -> sha256 of every weight file it loads.
        trained_on: data sets that it was trained on.
        conditioned_on: speaker encoders that it is conditioned on; SECS through the same one is badged.
        settings: resolved options that change the output.
        batch: how many requests `System.dub` wants at once.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    version: str = "1"
    kind: Literal["model", "baseline", "control", "precomputed"] = "model"
    summary: str = ""
    paper: str = ""
    licence: str = ""
    weights: dict[str, str] = {}
    trained_on: tuple[str, ...] = ()
    conditioned_on: tuple[str, ...] = ()
    settings: dict[str, str | int | float | bool] = {}
    batch: int = 1

    @property
    def privileged(self) -> bool:
        """Whether requests carry the ground truth."""
        return self.kind == "control"

    @property
    def hears(self) -> bool:
        """Whether it needs a reference voice; controls and finished wavs do not."""
        return self.kind in ("model", "baseline")

    @property
    def timed(self) -> bool:
        """Whether its real-time factor means anything."""
        return self.kind in ("model", "baseline")


@runtime_checkable
class System(Protocol):
    """A dubbing system. Created as ``factory(*args, **kwargs)`` from its spec, in the process that runs it.

    `load` is called once before the first `dub`; `dub` yields one `Dub` or `Failure` per request, in any order. After
    an exception out of `dub`, a hang or the death of the process, the requests that had no answer yet are given again
    one by one, so that only the guilty one fails. `close` frees what `load` took; it is called when the system has
    done its work, and when `load` raised.

    `Dub.timings` hold what the system measures itself; ``total`` is the harness's measure: from the call of `dub` to
    its last answer, shared evenly over the answers of the batch.
    """

    info: SystemInfo

    def load(self, device: str) -> None: ...

    def dub(self, requests: Sequence[DubRequest]) -> Iterator[Dub | Failure]: ...

    def close(self) -> None: ...


@runtime_checkable
class Expects(Protocol):
    """A system that wants to be told, after `System.load`, the ids of all clips of the run (optional)."""

    def expects(self, clips: Sequence[str]) -> None: ...


class SystemBase:
    """The two methods that most systems leave empty."""

    info: SystemInfo

    def load(self, device: str) -> None:
        """Load weights onto ``device`` (``cpu``, ``cuda`` or ``cuda:N``)."""

    def close(self) -> None:
        """Free what `load` took."""
