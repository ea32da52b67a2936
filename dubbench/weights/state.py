"""Published weights into our networks: every parameter must be found, and no published tensor may be left over."""

from __future__ import annotations

from typing import TypeVar

from torch import Tensor, nn

from dubbench.errors import DubbenchError
from dubbench.weights.convert import read_state as read_state

Module = TypeVar("Module", bound=nn.Module)


def with_state(network: Module, state: dict[str, Tensor], where: str, training_only: tuple[str, ...] = ()) -> Module:
    """``network`` (best built on the meta device) with the tensors of ``state``, in evaluation mode, without gradients.

    Names that begin with none of the network's own parts are heads of training (losses, label embeddings), and are
    left out, as are those that begin with one of ``training_only``. Every other name and shape must fit.

    Raises:
        DubbenchError: they do not; with the first names.
    """
    own = network.state_dict()
    parts = {name.partition(".")[0] for name in own}
    kept = {
        name: tensor.float() if tensor.is_floating_point() else tensor
        for name, tensor in state.items()
        if name.partition(".")[0] in parts and not name.startswith(training_only or ("\0",))
    }
    problems = [f"{name} is missing" for name in own if name not in kept]
    problems += [f"{name} has no place" for name in kept if name not in own]
    problems += [
        f"{name} has shape {tuple(kept[name].shape)}, not {tuple(own[name].shape)}"
        for name in own
        if name in kept and kept[name].shape != own[name].shape
    ]
    if problems:
        more = f" and {len(problems) - 3} more" if len(problems) > 3 else ""
        raise DubbenchError(f"{where}: not weights of {type(network).__name__}: {'; '.join(problems[:3])}{more}")
    network.load_state_dict(kept, assign=True)
    return network.eval().requires_grad_(False)
