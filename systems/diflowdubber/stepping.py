"""The sampler of equation 8 without needless network evaluations: the same tokens as `Sampler`, sooner.

What differs from calling the denoiser step by step, all of it exact but for the rounding of matrix products in other
shapes:

- steps in which no token appears are left out, and final layer, heads and softmax see the appearing tokens alone
  (`flow.plan`);
- in the last block only rows at which something appears are queries and go through its feed-forward network and the
  long skip; no other row's output is read;
- embedder and projection are linear, so a token's projected embedding is one row of a table;
- the AdaLN vectors of all steps are one product a block;
- a norm under one clip's modulation is one affine layer norm.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from .dfpa import DFPA, Context
from .flow.plan import Jumps, plan
from .flow.sampler import draw_codes
from .flow.scheduler import PolynomialScheduler
from .layers.attention import SelfAttention, join_heads, split_heads
from .layers.dit import DiTBlock, FinalLayer

Parts = tuple[Tensor, ...]


@dataclass(frozen=True)
class Modulations:
    """AdaLN vectors (steps, B, dim) of every block (six) and of the final layer (two)."""

    blocks: list[Parts]
    final: Parts

    def at(self, index: int) -> tuple[list[Parts], Parts]:
        """Those of one step, (B, dim) each."""
        return [tuple(p[index] for p in parts) for parts in self.blocks], tuple(p[index] for p in self.final)


@dataclass(frozen=True)
class AttentionWeights:
    """Self-attention's first product, with the two numbers that rotary positions turn as a pair side by side.

    Scores do not see the order of a head's channels as long as queries and keys share it; in this one a turn is a
    product of complex numbers.

    Attributes:
        weight: (3 · dim, dim), queries, keys, values.
        bias: (3 · dim,).
        heads: number of heads.
    """

    weight: Tensor
    bias: Tensor
    heads: int

    @classmethod
    def of(cls, attention: SelfAttention) -> AttentionWeights:
        def paired(x: Tensor) -> Tensor:
            split = x.unflatten(0, (3, attention.heads, 2, -1))
            return torch.cat([split[:2].transpose(2, 3).flatten(0, 3), split[2].flatten(0, 2)])

        return cls(paired(attention.qkv.weight), paired(attention.qkv.bias), attention.heads)

    def project(self, x: Tensor, turn: Tensor, first: int = 0, last: int = 3) -> tuple[Tensor, ...]:
        """x (B, T, dim) to those of queries, keys (turned by ``turn``) and values that ``first:last`` names,
        (B, heads, T, head_dim) each.
        """
        dim = x.shape[2]
        y = F.linear(x, self.weight[first * dim : last * dim], self.bias[first * dim : last * dim])
        turned = min(2, last) - first
        y, values = y.split([turned * dim, y.shape[2] - turned * dim], 2)
        pairs = torch.view_as_complex(y.float().unflatten(2, (turned * self.heads, -1, 2))) * turn
        both = torch.view_as_real(pairs).flatten(3).to(values.dtype).transpose(1, 2).split(self.heads, 1)
        return (*both, split_heads(values, self.heads)) if last == 3 else both


def modulations(dfpa: DFPA, times: Tensor, context: Context) -> Modulations:
    """All AdaLN vectors of the grid ``times`` (steps,)."""
    cg = dfpa.time(times)[:, None] + context.speaker
    return Modulations([block.modulation(cg) for block in dfpa.dit.blocks], dfpa.final.modulation(cg))


def sample(
    dfpa: DFPA,
    context: Context,
    noise: Tensor,
    lengths: Sequence[int],
    scheduler: PolynomialScheduler,
    temperature: float | Sequence[float] = 1.0,
) -> Tensor:
    """Codes (B, S, L) of the flow's streams; 0 behind a clip's length.

    Args:
        context: from `DFPA.context`.
        noise: (B, nfe, 2, S, L) from `draw_noise`, on the CPU.
        lengths: tokens of each clip.
        scheduler: κ.
        temperature: of the posterior of all streams, or one of each.
    """
    each = [temperature] * noise.shape[3] if isinstance(temperature, int | float) else temperature
    device = context.condition.device
    weights = [AttentionWeights.of(block.attention) for block in dfpa.dit.blocks]
    turn = torch.complex(*context.turn).transpose(1, 2)  # (B, L' + L, 1, head_dim / 2)
    steps = plan(noise, lengths, scheduler, device)
    times = torch.linspace(0, 1, noise.shape[1] + 1)[[jumps.step for jumps in steps]].to(device)
    vectors = modulations(dfpa, times, context)
    mask = dfpa.config.vocab
    tables = dfpa.tables(context, 0 if len(steps) > 1 else mask)  # of one step, the mask's row is all that is read
    codes = torch.zeros(noise.shape[0], noise.shape[3], noise.shape[4], dtype=torch.long, device=device)
    before = context.condition.shape[1]
    x = torch.cat([context.condition, context.content + sum(table[-1] for table in tables)], 1)
    shown = torch.full_like(codes, mask)
    for index, jumps in enumerate(steps):
        blocks, final = vectors.at(index)
        y, source = _transform(dfpa, x, jumps.rows, before, blocks, weights, turn, context.mask)
        streams = _final(dfpa.final, dfpa.dit.skip(torch.cat([y, source], -1)), final)
        for stream, (part, head) in enumerate(zip(jumps.streams, dfpa.heads.heads, strict=True)):
            if part is None:
                continue
            clip, row, place, u = part
            width = dfpa.config.stream_dim
            logits = head(streams[clip, row, stream * width : (stream + 1) * width]).float()
            posterior = (logits if each[stream] == 1 else logits / each[stream]).softmax(-1)
            shown[clip, stream, place] = codes[clip, stream, place] = draw_codes(posterior, u)
        if index + 1 < len(steps):
            x = _show(x, shown, jumps, tables, context, before)
    return codes


def _show(x: Tensor, shown: Tensor, jumps: Jumps, tables: list[Tensor], context: Context, before: int) -> Tensor:
    """The denoiser's input with the rows of ``jumps`` made anew from what is shown there."""
    rows = jumps.rows
    there = rows[..., None].expand(-1, -1, x.shape[2])
    tokens = shown.gather(2, rows[:, None].expand(-1, shown.shape[1], -1))
    value = context.content.gather(1, there) + sum(table[tokens[:, s]] for s, table in enumerate(tables))
    return x.scatter(1, there + before, value)


def _transform(
    dfpa: DFPA,
    x: Tensor,
    rows: Tensor,
    before: int,
    parts: list[Parts],
    weights: list[AttentionWeights],
    turn: Tensor,
    mask: Tensor | None,
) -> tuple[Tensor, Tensor]:
    """The blocks' output and input at ``rows`` of the target: (B, R, dim) each."""
    keys = None if mask is None else mask[:, None, None, :]
    y = x
    for block, part, weight in zip(dfpa.dit.blocks[:-1], parts, weights, strict=False):
        y = _block(block, weight, y, part, keys, turn)
    wide = (rows + before)[..., None].expand(-1, -1, x.shape[2])
    return _block(dfpa.dit.blocks[-1], weights[-1], y, parts[-1], keys, turn, wide), x.gather(1, wide)


def _block(
    block: DiTBlock,
    weights: AttentionWeights,
    x: Tensor,
    parts: Parts,
    keys: Tensor | None,
    turn: Tensor,
    rows: Tensor | None = None,
) -> Tensor:
    """`DiTBlock` in eval mode; with ``rows`` (B, R, dim), indices into time, those rows of it alone."""
    shift, scale, gate, feed_shift, feed_scale, feed_gate = parts
    h = _norm(x, shift, scale)
    if rows is None:
        q, k, v = weights.project(h, turn)
    else:
        k, v = weights.project(h, turn, 1)
        asked = turn.gather(1, rows[:, :, None, :1].expand(-1, -1, 1, turn.shape[3]))
        (q,) = weights.project(h.gather(1, rows), asked, 0, 1)
        x = x.gather(1, rows)
    y = F.scaled_dot_product_attention(q, k, v, attn_mask=keys)
    x = torch.addcmul(x, gate[:, None], block.attention.out(join_heads(y)))
    y = block.feed(_norm(x, feed_shift, feed_scale))
    return torch.addcmul(x, feed_gate[:, None], y)


def _final(layer: FinalLayer, x: Tensor, parts: Parts) -> Tensor:
    shift, scale = parts
    return layer.out(_norm(x, shift, scale))


def _norm(x: Tensor, shift: Tensor, scale: Tensor) -> Tensor:
    """Norm without an affine part, then modulation; for one clip they are one affine norm."""
    size = x.shape[-1:]
    if len(x) == 1:
        return F.layer_norm(x, size, (1 + scale[0]).to(x.dtype), shift[0].to(x.dtype), 1e-6)
    return torch.addcmul(shift[:, None], F.layer_norm(x, size, eps=1e-6), 1 + scale[:, None])
