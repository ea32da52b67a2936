"""Parameters and buffers of a TorchScript archive, read without TorchScript.

``torch.jit.load`` runs a module's ``__setstate__``, which may write any file it can name. The numbers need none of
that: they are raw records in a zip, beside a pickle (``data.pkl``) that says which tensor of which module each one is.
Here that pickle is read by an unpickler that imports nothing: modules become `Module`, tensors are cut from their
records, and any other class is refused with its name. The archive's code is not opened.
"""

from __future__ import annotations

import pickle
import warnings
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dubbench.errors import DubbenchError

if TYPE_CHECKING:
    from torch import Tensor


class Module:
    """A module of the archive: its attributes by name."""

    attributes: dict[str, Any]

    def __new__(cls) -> Module:  # an unpickler makes objects so, without __init__
        made = super().__new__(cls)
        made.attributes = {}
        return made

    def __setstate__(self, state: Any) -> None:
        if not isinstance(state, dict):
            raise DubbenchError("it holds a module that wants to run code to be read; nothing in it was run")
        self.attributes = state


def torchscript_tensors(source: Path) -> dict[str, Tensor]:
    """Name -> tensor, named as ``torch.jit.load(source).state_dict()`` would.

    Raises:
        DubbenchError: not such an archive, or it holds objects of another kind; nothing in it was run.
    """
    try:
        with zipfile.ZipFile(source) as archive:
            (data,) = [name for name in archive.namelist() if name.endswith("/data.pkl") and name.count("/") == 1]
            with archive.open(data) as file:
                top = _Unpickler(file, archive, data.partition("/")[0]).load()
    except (DubbenchError, MemoryError):
        raise
    except Exception as error:  # zip, pickle and torch each raise their own kinds
        raise DubbenchError(f"not a TorchScript archive ({type(error).__name__})") from error
    if not isinstance(top, Module):
        raise DubbenchError(f"not a TorchScript archive (it holds a {type(top).__name__})")
    return dict(_named(top, "", ()))


def _named(module: Module, prefix: str, above: tuple[Module, ...]) -> list[tuple[str, Tensor]]:
    import torch

    if module in above:
        raise DubbenchError(f"not a TorchScript archive (the module {prefix!r} holds itself)")
    found: list[tuple[str, Tensor]] = []
    for name, value in module.attributes.items():
        if isinstance(value, torch.Tensor):
            found.append((f"{prefix}{name}", value))
        elif isinstance(value, Module):
            found += _named(value, f"{prefix}{name}.", (*above, module))
    return found


class _Unpickler(pickle.Unpickler):
    def __init__(self, file: Any, archive: zipfile.ZipFile, root: str) -> None:
        super().__init__(file)
        self.archive, self.root = archive, root
        self.records: dict[str, Tensor] = {}

    def find_class(self, module: str, name: str) -> Any:
        import torch

        if module.startswith("__torch__"):
            return Module
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _strided
        if module == "torch.jit._pickle":  # typed lists and dictionaries
            return _untyped
        if module == "torch" and name.endswith("Storage") and name.isidentifier():
            with warnings.catch_warnings():  # the class is deprecated; its name is how archives say the dtype
                warnings.simplefilter("ignore", UserWarning)
                return getattr(torch, name).dtype
        raise DubbenchError(f"it holds {module}.{name} and not just modules and tensors; nothing in it was run")

    def persistent_load(self, pid: Any) -> Tensor:
        import torch

        _, dtype, key, _, _ = pid
        if key not in self.records:
            content = bytearray(self.archive.read(f"{self.root}/data/{key}"))
            self.records[key] = torch.frombuffer(content, dtype=dtype) if content else torch.empty(0, dtype=dtype)
        return self.records[key]


def _strided(record: Tensor, offset: int, size: tuple[int, ...], stride: tuple[int, ...], *_: Any) -> Tensor:
    return record.as_strided(size, stride, offset)  # refuses what lies outside the record


def _untyped(value: Any, *_: Any) -> Any:
    return value
