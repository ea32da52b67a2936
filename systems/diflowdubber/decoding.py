"""Decoding: from the model's posteriors to tokens, a stream at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from dubbench.errors import DubbenchError

from .codec.base import Codec
from .codec.settle import Beliefs
from .dfpa import DFPA, Context
from .layers.masking import length_mask
from .stage1 import assemble

Prosody = Literal["sample", "mean", "search"]
Content = Literal["likeliest", "mean"]
Acoustic = Literal["sample", "mean"]


@dataclass(frozen=True)
class Decoding:
    """One way to read each stream.

    Attributes:
        prosody: ``sample`` the flow, as the paper does; ``mean``: voicing by the summed mass of the codec's voiced
            codes, pitch and energy by their mean; ``search``: pitch by the smoothest likely path instead.
        content: of the books behind the first one, which is always the likeliest code: ``likeliest``, or the ``mean``
            of what they stand for, quantised again.
        acoustic: ``sample`` the flow, or ``mean``.
        temperature: of prosody, content and acoustics. What is not sampled is believed at t = 0, where nothing is
            shown: one evaluation of the denoiser.
        nfe: function evaluations of what is sampled.
    """

    prosody: Prosody = "mean"
    content: Content = "likeliest"
    acoustic: Acoustic = "mean"
    temperature: tuple[float, float, float] = (1.0, 1.0, 1.0)
    nfe: int = 16

    def __post_init__(self) -> None:
        for name, among in (
            ("prosody", ("sample", "mean", "search")),
            ("content", ("likeliest", "mean")),
            ("acoustic", ("sample", "mean")),
        ):
            if getattr(self, name) not in among:
                raise DubbenchError(f"no {name}={getattr(self, name)}; there are {', '.join(among)}")
        if self.nfe < 1 or min(self.temperature) <= 0:
            raise DubbenchError("nfe must be at least 1, temperature above 0")

    @property
    def samples(self) -> bool:
        """Whether the flow is sampled at all."""
        return "sample" in (self.prosody, self.acoustic)

    @property
    def expects(self) -> bool:
        """Whether any stream is read from the posteriors at t = 0."""
        return self.prosody != "sample" or self.acoustic != "sample"

    @property
    def settings(self) -> dict[str, Any]:
        """For a system's identity."""
        told: dict[str, Any] = {"prosody": self.prosody, "content": self.content, "acoustic": self.acoustic}
        told["nfe"] = self.nfe if self.samples else 1
        told["temperature"] = ":".join(f"{t:g}" for t in self.temperature)
        return told


PAPER = Decoding("sample", "likeliest", "sample", (0.5, 0.5, 0.5))
"""As the paper has it: prosody and acoustics sampled, content the likeliest."""
STREAMS = Decoding()
"""The best on validation clips (docs/results-decoding.md)."""
NAMED = {"paper": PAPER, "streams": STREAMS}


def decoding(
    name: str, nfe: int | None = None, temperature: float | str | None = None, **streams: str | None
) -> Decoding:
    """The decoding ``name``, with what is given changed.

    Args:
        name: ``paper`` or ``streams``.
        nfe: of what is sampled.
        temperature: one for all streams, or ``prosody:content:acoustic`` as text.
        streams: `Decoding.prosody`, ``content``, ``acoustic``.

    Raises:
        DubbenchError: an unknown name or way, temperatures that cannot be read, or ``nfe`` where nothing is sampled.
    """
    if name not in NAMED:
        raise DubbenchError(f"no decode={name}; there are {', '.join(NAMED)}")
    changes: dict[str, Any] = {key: value for key, value in streams.items() if value}
    if temperature is not None:
        changes["temperature"] = _temperatures(temperature)
    if nfe is not None:
        changes["nfe"] = nfe
    made = replace(NAMED[name], **changes)
    if nfe is not None and nfe > 1 and not made.samples:
        raise DubbenchError(f"decode={name} evaluates the flow once; nfe belongs to decode=paper")
    return made


def _temperatures(given: float | str) -> tuple[float, float, float]:
    parts = str(given).split(":")
    try:
        values = [float(part) for part in parts]
    except ValueError:
        values = []
    if len(values) == 1:
        return values[0], values[0], values[0]
    if len(values) != 3:
        raise DubbenchError(f"temperature={given}: a number, or three as prosody:content:acoustic")
    return values[0], values[1], values[2]


@dataclass(frozen=True)
class Reader:
    """Tokens of a batch under a `Decoding`, settled by a codec: what `Stage2.generate` takes as ``read``."""

    decoding: Decoding
    codec: Codec

    def __call__(self, dfpa: DFPA, context: Context, logits: Tensor, lengths: Tensor, seeds: Sequence[int]) -> Tensor:
        """Content ``logits`` (B, n, L, v), and the flow given ``context``: (B, books, L), 0 behind a clip's length."""
        how, config = self.decoding, dfpa.config
        of_prosody, of_content, of_acoustic = how.temperature
        m, n = config.prosody, config.content
        if how.samples:
            of_flow = (of_prosody,) * m + (of_acoustic,) * config.acoustic
            tokens = assemble(dfpa, context, logits, lengths, how.nfe, seeds, of_flow)
        else:
            likeliest = logits.argmax(-1)
            tokens = likeliest.new_zeros(len(logits), config.books, logits.shape[2])
            tokens[:, m : m + n] = likeliest
        believed: dict[int, Tensor] = {}
        if how.expects:
            hidden = torch.full_like(tokens[:, : config.flow_books], config.vocab)
            flow = dfpa(hidden, torch.zeros(len(tokens), device=tokens.device), context)
            if how.prosody != "sample":
                believed |= {row: flow[:, row] / of_prosody for row in range(m)}
            if how.acoustic == "mean":
                believed |= {n + row: flow[:, row] / of_acoustic for row in range(m, config.flow_books)}
        if how.content == "mean":
            believed |= {m + book: logits[:, book] / of_content for book in range(1, n)}
        if not believed:
            return tokens
        probabilities = {row: x.float().softmax(-1).cpu().numpy() for row, x in believed.items()}
        settled = tokens.cpu().numpy().astype(np.int64)
        for clip, length in enumerate(lengths.tolist()):
            told = {row: p[clip, :length] for row, p in probabilities.items()}
            beliefs = Beliefs(settled[clip, :, :length], told, how.prosody == "search")
            settled[clip, :, :length] = self.codec.settle(beliefs)
        made = torch.from_numpy(settled).to(tokens.device)
        return made * length_mask(lengths, made.shape[2])[:, None]
