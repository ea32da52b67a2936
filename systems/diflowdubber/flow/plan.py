"""Times and places at which each token appears: known from the noise before any network runs.

A token that, once drawn, stays (`Sampler.revise` off) appears in the first step whose uniform number lies below that
step's jump probability (equation 8, integrated over the step). That number is drawn before the sampling begins, so the
denoiser need not answer for tokens that do not appear in a step, nor run in a step in which none does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from .scheduler import PolynomialScheduler


@dataclass(frozen=True)
class Jumps:
    """The tokens that appear in one step.

    Attributes:
        step: counted from 0.
        rows: (B, R) positions in time of the clips at which anything appears, filled up with a clip's last one (or 0).
        streams: for each stream the tokens of it, or None: ``clip`` (n,), ``row`` (n,) in ``rows``, ``place`` (n,) in
            time, and ``u`` (n,), the uniform number that each draws its code with.
    """

    step: int
    rows: Tensor
    streams: tuple[tuple[Tensor, Tensor, Tensor, Tensor] | None, ...]


def appearance(noise: Tensor, lengths: Sequence[int], scheduler: PolynomialScheduler) -> Tensor:
    """(B, S, L) step in which each token appears; ``nfe`` for what lies behind a clip's length.

    Args:
        noise: (B, nfe, 2, S, L) from `draw_noise`.
        lengths: tokens of each clip.
    """
    nfe = noise.shape[1]
    times = torch.linspace(0, 1, nfe + 1, device=noise.device)
    chance = torch.stack([scheduler.jump(times[step], times[step + 1]) for step in range(nfe)])
    when = (noise[:, :, 0] < chance[:, None, None]).int().argmax(1)  # the first; the last step's chance is 1
    for clip, length in zip(when, lengths, strict=True):
        clip[:, length:] = nfe
    return when


def plan(
    noise: Tensor, lengths: Sequence[int], scheduler: PolynomialScheduler, device: torch.device | str = "cpu"
) -> list[Jumps]:
    """The steps in which something appears, in order; made on the CPU, so that no step waits for the device.

    Args:
        noise: (B, nfe, 2, S, L) from `draw_noise`.
        lengths: tokens of each clip.
        device: where the indices go.
    """
    noise = noise.cpu()
    when = appearance(noise, lengths, scheduler)
    streams = when.shape[1]
    found = []
    for step in range(noise.shape[1]):
        here = when == step
        clips, places = here.any(1).nonzero(as_tuple=True)
        if not len(clips):
            continue
        count = torch.bincount(clips, minlength=len(lengths))
        row = torch.cat([torch.arange(int(n)) for n in count])
        rows = torch.zeros(len(lengths), int(count.max()), dtype=torch.long)
        rows[clips, row] = places
        of_place = torch.zeros(len(lengths), when.shape[2], dtype=torch.long)
        of_place[clips, places] = row
        parts: list[tuple[Tensor, Tensor, Tensor, Tensor] | None] = []
        for stream in range(streams):
            clip, place = here[:, stream].nonzero(as_tuple=True)
            u = noise[clip, step, 1, stream, place]
            part = (clip, of_place[clip, place], place, u)
            parts.append(tuple(x.to(device) for x in part) if len(clip) else None)  # type: ignore[arg-type]
        found.append(Jumps(step, rows.to(device), tuple(parts)))
    return found
