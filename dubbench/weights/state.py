"""Published weights into our networks: every parameter must be found, and no published tensor may be left over."""

from __future__ import annotations

from typing import TypeVar

from torch import Tensor, nn

from dubbench.weights.convert import read_state as read_state
from dubbench.weights.exact import load_exactly

Module = TypeVar("Module", bound=nn.Module)


def with_state(network: Module, state: dict[str, Tensor], where: str, training_only: tuple[str, ...] = ()) -> Module:
    """``network`` (best built on the meta device) with the tensors of ``state``, in evaluation mode, without gradients.

    Names that begin with none of the network's own parts are heads of training (losses, label embeddings), and are
    left out, as are those that begin with one of ``training_only``. Every other name and shape must fit.

    Raises:
        DubbenchError: they do not; with the first names.
    """
    parts = {name.partition(".")[0] for name in network.state_dict()}
    kept = {
        name: tensor.float() if tensor.is_floating_point() else tensor
        for name, tensor in state.items()
        if name.partition(".")[0] in parts and not name.startswith(training_only or ("\0",))
    }
    load_exactly(network, kept, f"{where}: not weights of {type(network).__name__}", assign=True)
    return network.eval().requires_grad_(False)
