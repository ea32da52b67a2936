"""Cross-attention to the phonemes that also gives its scores, plain or monotonic.

The paper follows Monotonic Multi-Head Attention (Ma et al. 2020), made for streaming translation. Three variants:

- ``monotonic`` (the default): every head has a centre that only moves forward, the running sum of positive steps that
  it reads from the queries, and the scores fall off with the squared distance to it. Monotonic by construction, and
  all queries at once.
- ``expected``: the expected alignment of Ma et al. (their equations 5 to 7, hard attention), stable because it is
  computed in the log domain, but recurrent over the queries: as many steps as there are frames or tokens.
- ``softmax``: no constraint; only the alignment losses ask for order.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..config import Config
from .attention import SelfAttention, join_heads, split_heads

NEVER = -1e9  # a score that no attention and no loss can see, and finite so that gradients are


def centres(steps: Tensor, query_mask: Tensor, keys: Tensor) -> Tensor:
    """Where each query looks, in phonemes: midpoints of the steps, scaled so that a clip spans all its phonemes.

    Args:
        steps: (B, heads, I), positive.
        query_mask: (B, I).
        keys: (B,) number of phonemes N.

    Returns:
        (B, heads, I), rising from about -0.5 to N - 0.5.
    """
    steps = steps * query_mask[:, None]
    travelled = steps.cumsum(-1) - steps / 2
    return travelled / steps.sum(-1, keepdim=True).clamp(min=1e-6) * keys[:, None, None] - 0.5


def expected_alignment(scores: Tensor, key_mask: Tensor) -> Tensor:
    """Expected hard monotonic alignment of queries to keys.

    With the probability p_ij = sigmoid(scores_ij) to stop at key j, and a scan that starts where the query before
    stopped: α_ij = p_ij Σ_{k ≤ j} α_{i-1,k} Π_{l=k}^{j-1} (1 - p_il), α_0 = the first key. What passes the last key
    stays on it.

    Args:
        scores: (B, heads, I, N).
        key_mask: (B, N).

    Returns:
        (B, heads, I, N), rows that sum to 1, zero on masked keys.
    """
    mask = key_mask[:, None, None]
    stop = torch.sigmoid(scores) * mask
    passed = F.logsigmoid(-scores) * mask
    before = passed.cumsum(-1) - passed  # log of passing all keys up to j, j not included
    last = F.one_hot(key_mask.sum(-1) - 1, key_mask.shape[1])[:, None].to(scores.dtype)
    upper = torch.ones(scores.shape[-1], scores.shape[-1], dtype=torch.bool, device=scores.device).triu()
    state = F.one_hot(torch.zeros_like(key_mask.sum(-1)), key_mask.shape[1])[:, None].to(scores.dtype)
    state = state.expand(-1, scores.shape[1], -1)
    rows = []
    for i in range(scores.shape[2]):
        gap = before[:, :, i, None, :] - before[:, :, i, :, None]
        reach = gap.masked_fill(~upper, NEVER).exp()
        row = stop[:, :, i] * (state[:, :, None] @ reach)[:, :, 0]
        state = row + (1 - row.sum(-1, keepdim=True)).clamp(min=0) * last
        state = state / state.sum(-1, keepdim=True)  # rounding in long sums of logarithms
        rows.append(state)
    return torch.stack(rows, 2)


class CrossAttention(nn.Module):
    """Queries (video frames or speech tokens) look at keys (phonemes)."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        dim = config.hidden
        self.heads = config.heads
        self.kind = config.attention
        self.query = nn.Linear(dim, dim)
        self.key_value = nn.Linear(dim, 2 * dim)
        self.out = nn.Linear(dim, dim)
        self.dropout = nn.Dropout(config.sync_dropout)
        if self.kind == "monotonic":
            self.step = nn.Linear(dim, self.heads)
            # At the start all steps are about equal (a diagonal), and heads see from 4 to 16 phonemes around it.
            nn.init.normal_(self.step.weight, std=0.02)
            nn.init.zeros_(self.step.bias)
            widths = 2.0 ** torch.linspace(2, 4, self.heads)
            self.sharpness = nn.Parameter(torch.log(torch.expm1(1 / (2 * widths**2))))

    def forward(self, x: Tensor, keys: Tensor, query_mask: Tensor, key_mask: Tensor) -> tuple[Tensor, Tensor]:
        """x (B, I, dim), keys (B, N, dim) and their masks.

        Returns:
            (B, I, dim), and the mean over heads of the scores before softmax or sigmoid, (B, I, N) float32,
            `NEVER` at masked phonemes.
        """
        q = split_heads(self.query(x), self.heads)
        k, v = (split_heads(part, self.heads) for part in self.key_value(keys).chunk(2, -1))
        scores = (q @ k.transpose(-1, -2)).float() / math.sqrt(q.shape[-1])
        if self.kind == "monotonic":
            steps = F.softplus(self.step(x).float()).transpose(1, 2)
            centre = centres(steps, query_mask, key_mask.sum(-1))
            away = torch.arange(keys.shape[1], device=x.device) - centre[..., None]
            scores = scores - F.softplus(self.sharpness.float())[:, None, None] * away.square()
        scores = scores.masked_fill(~key_mask[:, None, None], NEVER)
        weights = expected_alignment(scores, key_mask) if self.kind == "expected" else scores.softmax(-1)
        y = join_heads(self.dropout(weights).to(v.dtype) @ v)
        return self.out(y), scores.mean(1)


class CrossBlock(nn.Module):
    """Transformer decoder block: self-attention (optional), cross-attention, feed-forward; norms before each."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        dim = config.hidden
        self.attention = SelfAttention(dim, config.heads) if config.sync_self_attention else None
        self.attention_norm = nn.LayerNorm(dim) if config.sync_self_attention else None
        self.cross = CrossAttention(config)
        self.cross_norm = nn.LayerNorm(dim)
        self.feed = nn.Sequential(
            nn.LayerNorm(dim),
            nn.Linear(dim, config.sync_inner),
            nn.GELU(),
            nn.Dropout(config.sync_dropout),
            nn.Linear(config.sync_inner, dim),
        )
        self.dropout = nn.Dropout(config.sync_dropout)

    def forward(self, x: Tensor, keys: Tensor, query_mask: Tensor, key_mask: Tensor) -> tuple[Tensor, Tensor]:
        """As `CrossAttention.forward`."""
        if self.attention is not None and self.attention_norm is not None:
            x = x + self.dropout(self.attention(self.attention_norm(x), query_mask))
        y, scores = self.cross(self.cross_norm(x), keys, query_mask, key_mask)
        x = x + self.dropout(y)
        return x + self.dropout(self.feed(x)), scores


class CrossStack(nn.Module):
    """Blocks and a last norm; the scores are those of the last block."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(CrossBlock(config) for _ in range(config.sync_layers))
        self.norm = nn.LayerNorm(config.hidden)

    def forward(self, x: Tensor, keys: Tensor, query_mask: Tensor, key_mask: Tensor) -> tuple[Tensor, Tensor]:
        """As `CrossAttention.forward`."""
        scores = x.new_zeros(())
        for block in self.blocks:
            x, scores = block(x, keys, query_mask, key_mask)
        return self.norm(x), scores
