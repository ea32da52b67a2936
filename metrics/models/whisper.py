"""Whisper (Radford et al. 2022) through its own package and through faster-whisper: samples to text.

Both get what ``model.transcribe("dub.wav")`` would have read: mono at 16 kHz, rounded to 16 bits. Every decoding option
is the caller's, so that it can stand in a recipe.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dubbench.errors import DubbenchError, require
from dubbench.metrics.models.running import exact
from dubbench.metrics.parts.filterbank import pcm16
from dubbench.weights.exact import load_exactly
from dubbench.weights.state import read_state

RATE = 16000
HEAD = 64
"""Width of an attention head in every Whisper model."""
SEED = 0


def sixteen_bits(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """(T,) in [-1, 1] as a 16-bit file holds them: clipped, rounded, and scaled back."""
    return pcm16(samples).astype(np.float32) / np.float32(32768)


def dimensions(state: Mapping[str, Tensor]) -> dict[str, int]:
    """The sizes of a model from the shapes of its weights: what ``whisper.model.ModelDimensions`` takes.

    Raises:
        DubbenchError: these are no weights of Whisper's.
    """
    try:
        audio, text = (
            {
                f"n_{kind}_ctx": state[f"{part}.positional_embedding"].shape[0],
                f"n_{kind}_state": state[f"{part}.positional_embedding"].shape[1],
                f"n_{kind}_head": state[f"{part}.positional_embedding"].shape[1] // HEAD,
                f"n_{kind}_layer": len({name.split(".")[2] for name in state if name.startswith(f"{part}.blocks.")}),
            }
            for kind, part in (("audio", "encoder"), ("text", "decoder"))
        )
        mels, words = state["encoder.conv1.weight"].shape[1], state["decoder.token_embedding.weight"].shape[0]
    except (KeyError, IndexError) as error:
        raise DubbenchError(f"these are no weights of Whisper's ({error} is missing or odd)") from error
    return {"n_mels": mels, "n_vocab": words, **audio, **text}


class Remembering(torch.nn.Module):
    """A network that gives its last output again for the same input.

    The package encodes a window anew for every temperature that it tries; the encoder is most of the work.
    """

    def __init__(self, network: torch.nn.Module) -> None:
        super().__init__()
        self.network = network
        self._last: tuple[Tensor, Tensor] | None = None

    def forward(self, x: Tensor) -> Tensor:
        if self._last is None or self._last[0].shape != x.shape or not torch.equal(self._last[0], x):
            self._last = x.clone(), self.network(x)
        return self._last[1]


class OpenAIWhisper:
    """The package's own model and decoding, with weights from a state dict, in float32.

    ``whisper.load_model`` is not used: it unpickles. What it does besides is to build the model from its dimensions,
    which are read off the weights here, and to name heads for word timing, which nothing asks for.

    Args:
        state: by the names of OpenAI's files; every name and shape must fit.
        device: of torch.

    Raises:
        DubbenchError: they do not.
    """

    def __init__(self, state: Mapping[str, Tensor], device: str = "cpu") -> None:
        package = require("whisper", "whisper", "WER")
        self._model = package.model.Whisper(package.model.ModelDimensions(**dimensions(state)))
        load_exactly(self._model, state, "not the weights of a Whisper model")
        self._model.to(device).eval().requires_grad_(False)
        self._model.encoder = Remembering(self._model.encoder)

    def text(self, samples: NDArray[np.float32], options: Mapping[str, Any]) -> str:
        """What is said in (T,) samples at 16 kHz. ``options`` are those of ``whisper.transcribe``.

        Where they allow sampling, it is seeded anew for each sound: its neighbours have no say.
        """
        model = self._model
        cuda = [model.device] if model.device.type == "cuda" else []
        with exact(), torch.random.fork_rng(devices=cuda):
            torch.manual_seed(SEED)
            return str(model.transcribe(sixteen_bits(samples), fp16=False, **options)["text"])


def load_openai(weights: Path, device: str = "cpu") -> OpenAIWhisper:
    """`OpenAIWhisper` from a safetensors file.

    Raises:
        DubbenchError: unreadable, or not the weights of a Whisper model.
    """
    return OpenAIWhisper(read_state(weights), device)


class FasterWhisper:
    """Whisper on CTranslate2, in float32, on one CPU thread or a GPU.

    Args:
        folder: ``model.bin``, ``config.json``, ``tokenizer.json`` and a vocabulary.
        device: ``cpu`` or ``cuda`` (``cuda:1``); anything else is taken for ``cpu``.

    Raises:
        DubbenchError: files are missing or damaged.
    """

    def __init__(self, folder: Path, device: str = "cpu") -> None:
        package = require("faster_whisper", "whisper", "WER through faster-whisper")
        for name in ("model.bin", "config.json", "tokenizer.json"):  # the package would look for the last one online
            if not (folder / name).is_file():
                raise DubbenchError(f"{folder}: {name} is missing; it is no Whisper model for CTranslate2")
        kind, _, index = device.partition(":")
        try:
            self._model = package.WhisperModel(
                str(folder),
                device="cuda" if kind == "cuda" else "cpu",
                device_index=int(index or 0) if kind == "cuda" else 0,
                compute_type="float32",
                cpu_threads=1,
                num_workers=1,
                local_files_only=True,
            )
        except (RuntimeError, ValueError) as error:
            raise DubbenchError(f"{folder}: not readable as a Whisper model for CTranslate2 ({error})") from error

    def text(self, samples: NDArray[np.float32], options: Mapping[str, Any]) -> str:
        """What is said in (T,) samples at 16 kHz. ``options`` are those of ``WhisperModel.transcribe``."""
        segments, _ = self._model.transcribe(sixteen_bits(samples), **options)
        return "".join(segment.text for segment in segments)
