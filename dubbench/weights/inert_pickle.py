"""A reader of pickles that builds tensors and plain containers; every other object becomes an empty stand-in.

For checkpoints that carry training settings of packages which are not here. No global outside a short list is looked
up, so no code of the file's choosing runs: a call of ``os.system`` in it makes an `Inert` and nothing else. Used by
`dubbench.weights.convert` in its own process, as ``torch.load(pickle_module=InertPickle)``.
"""

from __future__ import annotations

import pickle
from typing import Any

ALLOWED = {
    ("collections", "OrderedDict"),
    ("torch._utils", "_rebuild_tensor"),
    ("torch._utils", "_rebuild_tensor_v2"),
    ("torch._utils", "_rebuild_parameter"),
    ("torch", "Size"),
    ("torch", "device"),
}
"""What may be looked up besides torch's storage and dtype names."""


class Inert:
    """Stands for an object of a class that is not looked up: takes any arguments and state, does nothing."""

    def __new__(cls, *_args: Any, **_kwargs: Any) -> Inert:
        return super().__new__(cls)

    def __init__(self, *_args: Any, **_kwargs: Any) -> None: ...

    def __setstate__(self, _state: Any) -> None: ...

    def __setitem__(self, _key: Any, _value: Any) -> None: ...

    def __call__(self, *_args: Any, **_kwargs: Any) -> Inert:
        return self

    def append(self, _value: Any) -> None:
        """A list's, for pickles of its subclasses."""

    def extend(self, _values: Any) -> None:
        """A list's."""

    def add(self, _value: Any) -> None:
        """A set's."""

    def __hash__(self) -> int:
        return id(self)


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) in ALLOWED or (module == "torch" and (name.endswith("Storage") or _is_dtype(name))):
            return super().find_class(module, name)
        return Inert


def _is_dtype(name: str) -> bool:
    import torch

    return isinstance(getattr(torch, name, None), torch.dtype)


class InertPickle:
    """Shaped like the module ``pickle``, as far as ``torch.load`` uses it."""

    Unpickler = _Unpickler
    UnpicklingError = pickle.UnpicklingError

    @staticmethod
    def load(file: Any, **options: Any) -> Any:
        """``pickle.load``."""
        return _Unpickler(file, **options).load()
