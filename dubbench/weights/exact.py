"""Tensors into a network, by name: every one must fit, and none may be missing or left over."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn

from dubbench.errors import DubbenchError

SHOWN = 3
"""Differences that an error names."""


def load_exactly(network: nn.Module, state: Mapping[str, Tensor], refusal: str, assign: bool = False) -> None:
    """Load ``state`` into ``network`` if names and shapes are exactly the network's.

    Args:
        network: to load into.
        state: name -> tensor.
        refusal: beginning of the error, such as ``FILE: not weights of X``.
        assign: take the tensors themselves (for a network on the meta device) instead of copies.

    Raises:
        DubbenchError: they are not; with the first differences.
    """
    own = network.state_dict()
    wrong = [f"{name} is missing" for name in own if name not in state]
    wrong += [f"{name} has no place" for name in state if name not in own]
    wrong += [
        f"{name} has shape {tuple(state[name].shape)}, not {tuple(own[name].shape)}"
        for name in own
        if name in state and state[name].shape != own[name].shape
    ]
    if wrong:
        more = f" and {len(wrong) - SHOWN} more" if len(wrong) > SHOWN else ""
        raise DubbenchError(f"{refusal}: {'; '.join(wrong[:SHOWN])}{more}")
    network.load_state_dict(dict(state), assign=assign)
