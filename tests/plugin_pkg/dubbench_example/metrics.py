"""A metric that measures level, and one that breaks."""

import os
import tempfile

import numpy as np

from dubbench.core.metric import Column, Item, Mean, MetricBase, MetricInfo, Stats, Unscored


class Level(MetricBase):
    """RMS level in dB full scale."""

    info = MetricInfo(name="example-level", recipe="level/rms", profiles=frozenset({"example"}))
    columns = (Column(name="level", direction="none", aggregate=Mean(value="db"), unit="dB"),)

    def score(self, item: Item) -> Stats | Unscored:
        power = float(np.mean(item.dub.samples**2))
        if power == 0:
            return Unscored("digital silence has no level")
        return {"db": 10 * np.log10(power)}


class BadMetric(MetricBase):
    """Raises on one clip and gives NaN on another."""

    info = MetricInfo(name="example-bad-metric", recipe="bad/metric", profiles=frozenset({"example"}))
    columns = (Column(name="bad", direction="up", aggregate=Mean(value="x")),)

    def score(self, item: Item) -> Stats | Unscored:
        if item.clip.id.endswith("1"):
            raise ZeroDivisionError("one over zero")
        return {"x": float("nan") if item.clip.id.endswith("2") else 1.0}


class Wanders(MetricBase):
    """Changes the working folder on load."""

    info = MetricInfo(name="example-wandering-metric", recipe="wanders", profiles=frozenset({"example"}))
    columns = (Column(name="wanders", direction="none", aggregate=Mean(value="x")),)

    def load(self, device: str) -> None:
        os.chdir(tempfile.gettempdir())

    def score(self, item: Item) -> Stats:
        return {"x": 1.0}


class HasModel(MetricBase):
    """Pretends to load a large model; tells its process."""

    profiles = frozenset({"example-models"})
    assets = ("s3fd",)
    info = MetricInfo(name="example-model", recipe="process/one")
    columns = (Column(name="process", direction="none", aggregate=Mean(value="pid")),)

    def score(self, item: Item) -> Stats:
        return {"pid": os.getpid()}


class HasOtherModel(HasModel):
    """Likewise, with another one."""

    assets = ("utmos22-strong",)
    info = MetricInfo(name="example-other-model", recipe="process/two")
    columns = (Column(name="other-process", direction="none", aggregate=Mean(value="pid")),)
