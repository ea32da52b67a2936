"""The recipe of a foreign system, ``adapters/NAME.toml``: description, addresses of its parts, and known problems."""

from __future__ import annotations

import tomllib
from functools import cache
from pathlib import Path

from pydantic import BaseModel, ConfigDict

ADAPTERS = Path(__file__).parent / "adapters"


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Environment(_Strict):
    """A way to run it.

    Attributes:
        name: ``authors`` for what the authors state; another for what differs.
        python: the version.
        lock: file in ``adapters/``.
        differences: what is not as the authors have it.
        extra: files that come with the environment beside packages (``nltk:punkt_tab``).
    """

    name: str
    python: str
    lock: str
    differences: tuple[str, ...] = ()
    extra: tuple[str, ...] = ()


class Weight(_Strict):
    """A file that the adapter needs.

    Attributes:
        role: how the adapter calls it.
        asset: name in the catalogue of weights; empty for a file of the clone.
        path: in the clone.
        data: the data set it was trained on; empty if it serves all.
    """

    role: str
    asset: str = ""
    path: str = ""
    data: str = ""


class Feature(_Strict):
    """What it reads of a clip instead of pictures and sound.

    Attributes:
        name: ``lips`` (T, 512), ``face`` (T, 256), ``voice`` (256,); T at 25 Hz.
        files: where the authors' feature packs have it; ``{speaker}``, ``{name}``, ``{id}`` of the clip.
    """

    name: str
    files: tuple[str, ...] = ()


class Recipe(_Strict):
    """All of it.

    Attributes:
        name: as it is registered.
        title, paper, licence: for people.
        repository, commit: where the code is; empty where there is none.
        data: data sets with a released checkpoint; the first is the default.
        settings: of ``1.0``, ``2.0``, ``3.0``.
        rate: of its sound in Hz.
        length: ``video``, or ``oracle`` where the original takes it from the ground truth (then ours is the video's
            unless ``oracle_length=true``).
        phones: whether it reads ARPAbet with stress, as MFA gives it, rather than text.
        reference: whether it reads the reference wav itself.
        conditioned_on: speaker encoders.
        reason: why it cannot be run at all; empty if it can.
        inputs, redirected, problems: what it reads, what is redirected from outside, what is known to be wrong.
        environments, weights, features: see there.
        outputs: where finished wavs of the authors are published.
    """

    name: str
    title: str
    paper: str
    licence: str
    repository: str = ""
    commit: str = ""
    data: tuple[str, ...] = ()
    settings: tuple[str, ...] = ()
    rate: int = 0
    length: str = "video"
    phones: bool = False
    reference: bool = False
    conditioned_on: tuple[str, ...] = ()
    reason: str = ""
    inputs: str = ""
    redirected: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    environments: tuple[Environment, ...] = ()
    weights: tuple[Weight, ...] = ()
    features: tuple[Feature, ...] = ()

    @property
    def folder(self) -> str:
        """Name of its clone's folder: the repository's."""
        return self.repository.rpartition("/")[2]

    @property
    def address(self) -> str:
        """Where to clone from."""
        return f"https://github.com/{self.repository}.git"

    @property
    def adapter(self) -> Path:
        """The file that the shim loads."""
        return ADAPTERS / f"{self.name}.py"

    def weights_for(self, data: str) -> tuple[Weight, ...]:
        """The files needed for a data set."""
        return tuple(weight for weight in self.weights if weight.data in ("", data))


@cache
def recipe(name: str) -> Recipe:
    """The recipe of a registered foreign system."""
    return Recipe.model_validate({"name": name, **tomllib.loads((ADAPTERS / f"{name}.toml").read_text("utf-8"))})


def recipes() -> dict[str, Recipe]:
    """All that are known, by name."""
    return {path.stem: recipe(path.stem) for path in sorted(ADAPTERS.glob("*.toml"))}
