"""The systems of the field that run in environments of their own."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from dubbench.core.request import DubRequest
from dubbench.core.system import SystemInfo
from dubbench.datasets.base import DatasetInfo
from dubbench.errors import DubbenchError

from .features import frames_of, gather
from .host import Host
from .phones import stressed
from .recipe import recipe
from .runner import ForeignRunner
from .state import Ready, doctor_rows, one_line_state, ready, report


class Foreign(ForeignRunner):
    """A published system behind its recipe (``adapters/NAME.toml``) and adapter (``adapters/NAME.py``).

    Args:
        data: the data set whose checkpoint is used; the run's own where there is one.
        weights: ``released``; or ``random``: the authors' code with untrained networks, which proves that it runs and
            nothing else.
        features: folder of the authors' feature pack, for lips and face.
        lexicon: pronunciation dictionary with stress; the clone's own where it is there.
        oracle_length: take the length from the ground truth, as some of the papers do: badged, and never ranked.
        environment: which of its environments (``authors``, ``py311``); the first that is here.
        timeout: seconds a clip; 0 for 60 s, or thirty times the clip where that is more.

    Raises:
        DubbenchError: something is missing; the line names ``dubbench setup``.
    """

    recipe_name: ClassVar[str] = ""

    def __init__(
        self,
        data: str = "",
        weights: str = "released",
        features: str = "",
        lexicon: str = "",
        oracle_length: bool = False,
        environment: str = "",
        timeout: float = 0,
    ) -> None:
        self.recipe = recipe(self.recipe_name)
        self.random = _choice("weights", weights, ("released", "random")) == "random"
        self.data = _choice("data", data or self.recipe.data[0], self.recipe.data) if self.recipe.data else ""
        self.pack = _folder(features)
        self.oracle = bool(oracle_length)
        self.timeout = float(timeout)
        self.ready: Ready = ready(self.recipe, self.data, environment, self.random)
        own = self.ready.source / "lexicon" / "librispeech-lexicon.txt"
        self.lexicon = Path(str(lexicon)).expanduser() if lexicon else own if own.is_file() else None
        self.info = self._info()

    def _info(self) -> SystemInfo:
        settings: dict[str, str | int | float | bool] = {
            "commit": self.recipe.commit,
            "environment": self.ready.environment.name,
            "lock": self.ready.environment.lock,
            "weights": "random" if self.random else "released",
            "length": "ground truth" if self.oracle else "video",
            "sample_rate": self.recipe.rate,
        }
        if self.recipe.phones:
            settings["lexicon"] = self.lexicon.name if self.lexicon else "dubbench's, stress guessed"
        if any(feature.name in ("lips", "face") for feature in self.recipe.features):
            settings["visual_features"] = "authors' pack" if self.pack else "random"
        return SystemInfo(
            name=self.recipe.name,
            version=self.ready.version,
            kind="control" if self.oracle else "model",
            summary=f"{self.recipe.title}{', untrained: proves that its code runs' if self.random else ''}",
            paper=self.recipe.paper,
            licence=self.recipe.licence,
            weights=self.ready.digests,
            trained_on=() if self.random else (self.data,),
            conditioned_on=self.recipe.conditioned_on,
            settings=settings,
        )

    @classmethod
    def state(cls) -> str:
        """``ready``, or what is missing and what brings it, in one line."""
        return one_line_state(recipe(cls.recipe_name))

    @classmethod
    def about(cls) -> dict[str, Any]:
        """All that is known of the system, and what of it is here."""
        return report(recipe(cls.recipe_name))

    @classmethod
    def lacks(cls) -> list[dict[str, str]]:
        """A row for everything that is missing, with the path where it is expected and the command that brings it."""
        return doctor_rows(recipe(cls.recipe_name))

    def make_host(self, folder: Path, device: str) -> Host:
        """Its environment's Python with its adapter."""
        weights = self.ready.weights or self._random_weights(folder, device)
        return self._host_of(folder, device, {"weights": {k: str(v) for k, v in weights.items()}})

    def _host_of(self, folder: Path, device: str, more: dict[str, Any]) -> Host:
        options = {"data": self.data, "weights": "random" if self.random else "released"}
        job = {"source": str(self.ready.source), "options": options, "device": device, **more}
        threads = int(os.environ.get("OMP_NUM_THREADS") or 0)
        return Host(self.ready.python, self.recipe.adapter, folder, job, threads=threads)

    def _random_weights(self, folder: Path, device: str) -> dict[str, Path]:
        """Untrained networks in the authors' format, made once by their own classes."""
        place = self.ready.random_folder(self.data)
        if not (place / "made").is_file():
            place.mkdir(parents=True, exist_ok=True)
            host = self._host_of(folder / "making-weights", "cpu", {"make_weights": str(place)})
            try:
                host.start()
            finally:
                host.close()
            (place / "made").touch()
        return {weight.role: place / weight.role for weight in self.recipe.weights_for(self.data)}

    def length(self, request: DubRequest) -> float:
        """The video's; with ``oracle_length``, the ground truth's."""
        if not self.oracle or request.truth is None:
            return request.duration
        import soundfile

        return float(soundfile.info(request.truth.audio).duration)

    def message(self, request: DubRequest, folder: Path) -> dict[str, Any]:
        """What the adapter reads: features as files, phones, the reference."""
        told = super().message(request, folder)
        del told["video"]  # these systems read features of it
        paths = {}
        for name, array in gather(self.recipe, request, self.pack, self.random).items():
            paths[name] = str(folder / f"{name}.npy")
            np.save(paths[name], array)
        told |= {"features": paths, "frames": frames_of(request)}
        if self.recipe.phones:
            told["phones"] = stressed(request.text, self.lexicon)
        return told


def _choice(option: str, value: str, known: tuple[str, ...]) -> str:
    if value not in known:
        raise DubbenchError(f"{option} is {value!r}; expected {' or '.join(known)}")
    return value


def _folder(text: str) -> Path | None:
    if not text:
        return None
    place = Path(str(text)).expanduser()
    if not place.is_dir():
        raise DubbenchError(f"{place}: no such folder of features; correct the path")
    return place


class EmoDubber(Foreign):
    """EmoDubber (CVPR 2025): flow matching over lips, text and a speaker vector; Chem and GRID."""

    recipe_name = "emodubber"

    @staticmethod
    def defaults_for(info: DatasetInfo) -> dict[str, str]:
        """The checkpoint of the run's data set, for a spec without options."""
        return {"data": info.name} if info.name in recipe("emodubber").data else {}


class ProDubber(Foreign):
    """ProDubber (CVPR 2025): StyleTTS 2 with prosody from the face; GRID."""

    recipe_name = "produbber"


class HPMDubbing(Foreign):
    """HPMDubbing (CVPR 2023): hierarchical prosody from lips, face and scene; Chem."""

    recipe_name = "hpmdubbing"


class StyleDubber(Foreign):
    """StyleDubber (ACL Findings 2024): style at phoneme and utterance level; GRID."""

    recipe_name = "styledubber"


class Speaker2Dubber(Foreign):
    """Speaker2Dubber (ACM MM 2024): two-stage, pre-trained on a large speech corpus; GRID."""

    recipe_name = "speaker2dubber"


class InstructDubber(Foreign):
    """InstructDubber (AAAI 2026): dubbing by instructions of a language model; no checkpoint is published."""

    recipe_name = "instructdubber"


class VoiceCraftDub(Foreign):
    """VoiceCraft-Dub (2025): a neural codec language model that sees the face."""

    recipe_name = "voicecraft_dub"


class V2CNet(Foreign):
    """V2C-Net (CVPR 2022): the first model of the task; its code was never published."""

    recipe_name = "v2c_net"
