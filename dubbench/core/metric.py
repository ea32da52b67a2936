"""The protocol of a metric: per-clip sufficient statistics first, aggregation after."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar, Literal, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from dubbench.core.clip import Clip
from dubbench.signal.picture import Picture
from dubbench.signal.sound import Sound

Stats = Mapping[str, float]
"""Sufficient statistics of one clip: name -> number, all finite."""

Option = str | int | float | bool
"""A choice in a recipe."""

Effect = Literal["perfect", "worse", "better", "invariant", "undefined"]
"""The effect that a control must have on a column, compared with the ground truth's own value on the same clips:
``perfect`` reaches the column's best value exactly; ``worse`` and ``better`` differ with a paired 95 % interval
apart from zero; ``invariant`` stays within `Column.tolerance` with that whole interval; ``undefined`` leaves at least
half of the clips unscored, so that no mean is worth printing."""


class Aggregate(BaseModel):
    """How a column's value comes from the clips' statistics."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    def per_clip(self, stats: Mapping[str, NDArray[np.float64]]) -> NDArray[np.float64]:
        """(n,) one value a clip, for plots and triage; NaN where a clip alone has none."""
        raise NotImplementedError

    def resample(self, stats: Mapping[str, NDArray[np.float64]], index: NDArray[np.intp]) -> NDArray[np.float64]:
        """(B,) the value for each row of ``index`` (B, n) into the clips; NaN where undefined."""
        raise NotImplementedError

    def names(self) -> tuple[str, ...]:
        """The statistics it reads."""
        raise NotImplementedError


class Ratio(Aggregate):
    """sum(numerator) / sum(denominator): micro averages."""

    kind: Literal["ratio"] = "ratio"
    numerator: str
    denominator: str

    def per_clip(self, stats: Mapping[str, NDArray[np.float64]]) -> NDArray[np.float64]:
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.asarray(stats[self.numerator] / stats[self.denominator])

    def resample(self, stats: Mapping[str, NDArray[np.float64]], index: NDArray[np.intp]) -> NDArray[np.float64]:
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.asarray(stats[self.numerator][index].sum(1) / stats[self.denominator][index].sum(1))

    def names(self) -> tuple[str, ...]:
        return (self.numerator, self.denominator)


class Mean(Aggregate):
    """Mean over clips (macro)."""

    kind: Literal["mean"] = "mean"
    value: str

    def per_clip(self, stats: Mapping[str, NDArray[np.float64]]) -> NDArray[np.float64]:
        return stats[self.value]

    def resample(self, stats: Mapping[str, NDArray[np.float64]], index: NDArray[np.intp]) -> NDArray[np.float64]:
        return np.asarray(stats[self.value][index].mean(1))

    def names(self) -> tuple[str, ...]:
        return (self.value,)


class Quantile(Aggregate):
    """Quantile ``q`` over clips (0.5 is the median), linear interpolation."""

    kind: Literal["quantile"] = "quantile"
    value: str
    q: float

    def per_clip(self, stats: Mapping[str, NDArray[np.float64]]) -> NDArray[np.float64]:
        return stats[self.value]

    def resample(self, stats: Mapping[str, NDArray[np.float64]], index: NDArray[np.intp]) -> NDArray[np.float64]:
        return np.asarray(np.quantile(stats[self.value][index], self.q, axis=1))

    def names(self) -> tuple[str, ...]:
        return (self.value,)


class Column(BaseModel):
    """One column of the table. It is kept in the run's manifest, so that a board needs no metric code.

    Attributes:
        name: as in ``table.csv``, for example ``WER-grammar``.
        direction: ``up`` (higher is better), ``down``, or ``none`` (reported, never ranked).
        aggregate: how the value comes from the statistics. A clip whose statistics lack one of
            `Aggregate.names` is unscored in this column alone.
        unit: ``%``, ``ms``, ``dB``, ``s`` or empty.
        scale: factor from the aggregate to the printed value (100 for percent).
        digits: decimals printed.
        best: the best possible value on the printed scale, reached by comparing a file with itself; None if none.
        tolerance: on the printed scale, what counts as unchanged for ``invariant``.
        headline: whether it stands in the board's main table; the others are in ``table.csv``.
        expects: control spec (``delay``, ``noise``, ``gain(db=-12)`` …) -> `Effect`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    direction: Literal["up", "down", "none"]
    aggregate: Annotated[Ratio | Mean | Quantile, Field(discriminator="kind")]
    unit: str = ""
    scale: float = 1.0
    digits: int = 2
    best: float | None = None
    tolerance: float = 0.0
    headline: bool = True
    expects: dict[str, Effect] = {}


def _media() -> dict[str, Option]:
    from dubbench.signal.media import recipe  # opens PyAV: only where a metric is made

    return {**recipe()}


class MetricInfo(BaseModel):
    """The recipe of a metric. Everything here but ``summary`` and ``licence`` is hashed into its signature.

    Attributes:
        name: as it is registered, for example ``wer-grammar``.
        recipe: name of the recipe, for example ``wer/pocketsphinx-grid``.
        version: raised whenever a number may change.
        settings: every choice: rates, lengths, thresholds, normalisers, package versions that matter.
        media: how files become samples (`dubbench.signal.media.recipe`); the same for all metrics, filled in here.
        weights: name -> sha256 of every model it loads.
        needs: of ``truth`` (ground-truth speech), ``reference`` (the prompt), ``video``, ``text``. A clip that
            lacks one is unscored.
        profiles: ``offline`` (needs no download), ``paper`` (the paper's own set); usually from `MetricBase.profiles`.
        speaker_encoder: for SECS: systems conditioned on it are badged.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    recipe: str
    version: str = "1"
    settings: dict[str, Option] = {}
    media: dict[str, Option] = Field(default_factory=_media)
    weights: dict[str, str] = {}
    needs: frozenset[Literal["truth", "reference", "video", "text"]] = frozenset()
    profiles: frozenset[str] = frozenset({"offline"})
    speaker_encoder: str = ""
    summary: str = ""
    source: str = ""
    licence: str = ""


@dataclass(frozen=True, slots=True)
class Unscored:
    """A clip that a metric cannot score, and why (one line).

    A reason that names the ground truth or the text lays it on the clip (`lies_with_clip`).
    """

    reason: str


def lies_with_clip(reason: str) -> bool:
    """Whether a clip is unscored for what it is (its ground truth, its text), whatever metric or system looks at it."""
    return bool(re.search(r"\bground truth\b|^(the )?text\b|^no text\b|^the clip cannot be used\b", reason))


def heard_seconds(video: float) -> float:
    """Seconds of a dub that are scored for a video of ``video`` seconds: twice its length and two more.

    What a dub says after that cannot fit its picture any more, and would only cost time; how long it goes on stands
    in ``duration-s``.
    """
    return 2 * video + 2


@dataclass(slots=True)
class Item:
    """One dub and everything a metric may compare it with. Each file behind it was decoded once.

    Attributes:
        clip: the clip (its text, its video's path, its exact phone timings if any).
        dub: the dub at its own rate, at most its first `heard_seconds`.
        truth: ground-truth speech at 16 kHz on the video's clock, shared by all systems of the clip.
        reference: the reference voice at 16 kHz, shared likewise.
        duration: of the video in seconds.
        fps: of the video.
        picture: the video's frames and face, shared by all dubs of the clip; made from the clip where it is not given.
        length: of the whole dub in seconds; that of ``dub`` where it is not given.
    """

    clip: Clip
    dub: Sound
    truth: Sound | None
    reference: Sound | None
    duration: float
    fps: float
    picture: Picture = field(default=None)  # type: ignore[assignment] # never None once it is made
    length: float = 0.0

    def __post_init__(self) -> None:
        if self.picture is None:
            self.picture = Picture(self.clip.video)
        self.length = self.length or self.dub.duration


def lacking(info: MetricInfo, item: Item, truth_problem: str = "", reference_problem: str = "") -> str:
    """Why ``item`` lacks something that the metric `needs <MetricInfo.needs>`; empty if it lacks nothing."""
    if "truth" in info.needs and item.truth is None:
        return f"no ground truth: {truth_problem}" if truth_problem else "no ground truth"
    if "reference" in info.needs and item.reference is None:
        return f"no reference voice: {reference_problem}" if reference_problem else "no reference voice"
    if "video" in info.needs and not (item.duration > 0 and item.fps > 0 and item.clip.video.is_file()):
        return "no video"
    if "text" in info.needs and not item.clip.text.strip():
        return "no text"
    return ""


@runtime_checkable
class Metric(Protocol):
    """A metric: created without arguments, loaded once a process, called once a dub."""

    info: MetricInfo
    columns: tuple[Column, ...]

    def load(self, device: str) -> None: ...

    def score(self, item: Item) -> Stats | Unscored: ...

    def failed(self, clip: Clip) -> Stats | None: ...


class MetricBase:
    """Defaults that most metrics keep.

    Attributes:
        profiles: the profiles that the metric belongs to; on the class, so that it is known even where the metric
            cannot be made. `dubbench.pipeline.components.make_metric` enters it into ``info``.
        assets: names of the weights that it loads (`dubbench.weights.catalogue`), likewise on the class.
    """

    profiles: ClassVar[frozenset[str]] = frozenset({"offline"})
    assets: ClassVar[tuple[str, ...]] = ()
    info: MetricInfo
    columns: tuple[Column, ...]
    _model: Any = None

    def load(self, device: str) -> None:
        """Load models onto ``device``; `ready` finds them in ``_model``."""

    def ready(self) -> Any:
        """The model of `load`; loaded onto the CPU now if nobody called `load`, as outside of a run."""
        if self._model is None:
            self.load("cpu")
        return self._model

    def failed(self, clip: Clip) -> Stats | None:
        """Statistics that a failed dub gets; None leaves it unscored (everything but WER)."""
        return None
