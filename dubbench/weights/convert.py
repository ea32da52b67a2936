"""Weights that exist only as pickles or TorchScript, turned into safetensors once, in a process of their own.

A pickle can run any code when it is read. So nothing here is read in the caller's process: `convert` starts another
one, with a bare environment, after the file's digest was checked. There `state_dict` reads with
``torch.load(weights_only=True)``, which builds tensors and refuses everything else, or with
`dubbench.weights.inert_pickle`; ``torchscript`` reads with `dubbench.weights.torchscript`, which does not open the
archive's code. What comes back is a safetensors file: a JSON header and numbers. The rest of the risk is a flaw in
those readers; hence ``--convert``.
"""

from __future__ import annotations

import importlib
import json
import os
import pickle
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dubbench.errors import DubbenchError, one_line

if TYPE_CHECKING:
    from torch import Tensor

RISK = (
    "is a pickle or TorchScript file, a format that can hold programs. --convert reads it once in a separate process, "
    "with readers that run nothing in it, and keeps only its numbers (safetensors)"
)
KEPT_ENVIRONMENT = ("HOME", "LANG", "LD_LIBRARY_PATH", "PATH", "PYTHONPATH", "SYSTEMROOT", "TMPDIR", "VIRTUAL_ENV")
TIMEOUT = 1800
EXTRA = "extra"
"""Key of the safetensors metadata with plain values that lay beside the tensors, as JSON."""
EXTRA_LIMIT = 1 << 20

WRONG_FILE = 3
"""Exit status of the other process when it is the file that will not do, and not this machine."""


class WrongFileError(DubbenchError):
    """The file cannot be what it should be."""


Options = Mapping[str, str | int | bool]
Converted = tuple[dict[str, Any], dict[str, Any]]
"""Tensors by name, and plain values beside them."""


def convert(converter: str, source: Path, target: Path, options: Options | None = None) -> None:
    """Convert ``source`` in another process; ``target`` appears only when whole.

    Args:
        converter: ``state_dict``, ``torchscript``, or ``module:function`` with the same signature.
        source: a file whose digest was checked.
        target: the safetensors file to make.
        options: keyword arguments of the converter.

    Raises:
        WrongFileError: the file is not of that format, or holds more than tensors, or none.
        DubbenchError: no room, memory or package for it.
    """
    part = target.with_name(target.name + ".part")
    job = json.dumps([converter, str(source), str(part), dict(options or {})])
    kept = {key: os.environ[key] for key in KEPT_ENVIRONMENT if key in os.environ}
    environment = {**kept, "OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    command = [
        sys.executable,
        "-P",
        "-m",
        "dubbench.weights.convert",
        job,
    ]  # -P: a torch.py in the user's folder is not run
    try:
        done = subprocess.run(
            command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=TIMEOUT
        )
        if done.returncode:
            lines = done.stderr.strip().splitlines()
            reason = lines[-1] if lines else f"the converter ended with {done.returncode}, for lack of memory perhaps"
            if "No space left" in reason:
                raise DubbenchError(f"{target}: the disk is full; make room and run the same command again")
            kind = WrongFileError if done.returncode == WRONG_FILE else DubbenchError
            raise kind(f"{source}: cannot be converted: {reason}")
        if not tensor_names(part):
            raise WrongFileError(f"{source}: holds no tensors")
        shutil.copymode(source, part)  # safetensors writes for the owner alone; a shared folder is for all
        part.replace(target)
    except subprocess.TimeoutExpired as error:
        raise DubbenchError(f"{source}: the conversion took over {TIMEOUT // 60} minutes and was stopped") from error
    finally:
        part.unlink(missing_ok=True)


def tensor_names(path: Path) -> list[str]:
    """Names of the tensors in a safetensors file, from its header alone."""
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        header = json.loads(file.read(length))
    return [name for name in header if name != "__metadata__"]


def read_state(path: Path) -> dict[str, Tensor]:
    """Name -> tensor of a safetensors file (a format that holds numbers only, nothing to execute).

    Raises:
        DubbenchError: not readable as one.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(path)
    except (SafetensorError, OSError) as error:
        raise DubbenchError(f"{path}: not readable as safetensors ({error})") from error


def plain_values(path: Path) -> dict[str, Any]:
    """What lay beside the tensors when they were converted: numbers, texts, lists (Whisper's ``dims``, say)."""
    with path.open("rb") as file:
        header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
    values: dict[str, Any] = json.loads(header.get("__metadata__", {}).get(EXTRA, "{}"))
    return values


def state_dict(source: Path, key: str = "", prefix: str = "", inert: bool = False) -> Converted:
    """Tensors of a file written by ``torch.save``.

    Args:
        source: .pt, .pth, .bin, .ckpt, .model, in the zip or the old format.
        key: the state dict is under this entry (``model``); dots go deeper. Entries beside it are plain values.
        prefix: keep only the names that begin so, without it.
        inert: let objects of unknown classes stand for nothing instead of refusing the file (checkpoints that carry
            their training settings): they become empty stand-ins of ours, none of their code is looked up or run.

    Raises:
        DubbenchError: not such a file, or it holds more than tensors and plain values.
    """
    import torch

    _refuse_torchscript(source)
    mapped = zipfile.is_zipfile(source)  # an optimiser's state beside the weights is then never read
    try:
        if inert:
            from dubbench.weights.inert_pickle import InertPickle

            loaded = torch.load(source, map_location="cpu", pickle_module=InertPickle, weights_only=False, mmap=mapped)
        else:
            loaded = torch.load(source, map_location="cpu", weights_only=True, mmap=mapped)
    except pickle.UnpicklingError as error:
        named = re.search(r"GLOBAL (\S+)", str(error))
        if named is None:
            raise DubbenchError("not a file of torch.save, or it holds more than tensors; nothing was run") from error
        raise DubbenchError(f"it holds {named[1]} and not just tensors; nothing in it was run") from error
    except MemoryError:
        raise
    except Exception as error:  # zip, pickle and torch each raise their own kinds
        raise DubbenchError(f"not a file of torch.save ({type(error).__name__})") from error
    beside: dict[str, Any] = {}
    for step in [part for part in key.split(".") if part]:
        if not isinstance(loaded, Mapping) or step not in loaded:
            raise DubbenchError(f"it has no entry {key!r}")
        beside |= {str(k): v for k, v in loaded.items() if k != step}
        loaded = loaded[step]
    if not isinstance(loaded, Mapping):
        raise DubbenchError(f"it holds a {type(loaded).__name__}, not tensors by name")
    tensors = {str(k): v for k, v in loaded.items() if isinstance(v, torch.Tensor)}
    beside |= {str(k): v for k, v in loaded.items() if not isinstance(v, torch.Tensor)}
    if prefix:
        tensors = {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
    return tensors, beside


def _refuse_torchscript(source: Path) -> None:
    """``torch.load`` hands a TorchScript archive to ``torch.jit.load``, which runs its ``__setstate__``: not here.

    Asked of the reader that ``torch.load`` itself uses, so that both see the same records.
    """
    import torch

    with source.open("rb") as file:
        if file.read(4) != b"PK\x03\x04":
            return
    try:
        records = torch._C.PyTorchFileReader(str(source)).get_all_records()
    except RuntimeError as error:
        raise DubbenchError("not a file of torch.save (a broken zip)") from error
    if any(name == "constants.pkl" or name.startswith("code/") for name in records):
        raise DubbenchError(
            "it is a TorchScript archive, which holds programs, and no file of torch.save; nothing in it was run"
        )


def torchscript(source: Path, prefix: str = "") -> Converted:
    """Parameters and buffers of a TorchScript archive; its code is not opened.

    Raises:
        DubbenchError: not such an archive, or it holds more than modules and tensors.
    """
    from dubbench.weights.torchscript import torchscript_tensors

    state = torchscript_tensors(source)
    return {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)}, {}


CONVERTERS = {"state_dict": state_dict, "torchscript": torchscript}


def write_tensors(tensors: Mapping[str, Any], beside: Mapping[str, Any], target: Path) -> None:
    """Write (name -> tensor) as safetensors, plain values in its metadata; the same input gives the same bytes."""
    from safetensors.torch import save_file

    apart: dict[str, Any] = {}
    seen: set[int] = set()
    for name in sorted(tensors):
        tensor = tensors[name].detach().contiguous()
        shared = tensor.untyped_storage().data_ptr() in seen  # tied weights: safetensors wants each its own
        apart[name] = tensor.clone() if shared else tensor
        seen.add(apart[name].untyped_storage().data_ptr())
    plain = {key: value for key, value in sorted(beside.items()) if _is_plain(value)}
    text = json.dumps(plain, sort_keys=True)
    keep = plain and len(text) <= EXTRA_LIMIT
    save_file(apart, target, metadata={EXTRA: text} if keep else None)


def _is_plain(value: Any) -> bool:
    if isinstance(value, (list, tuple)):
        return all(map(_is_plain, value))
    if isinstance(value, dict):
        return all(isinstance(k, str) and _is_plain(v) for k, v in value.items())
    return value is None or isinstance(value, (bool, int, float, str))


def _main(job: str) -> int:
    """The other process."""
    converter, source, target, options = json.loads(job)
    try:
        if ":" in converter:
            module, _, name = converter.partition(":")
            function = getattr(importlib.import_module(module), name)
        else:
            function = CONVERTERS[converter]
        tensors, beside = function(Path(source), **options)
        write_tensors(tensors, beside, Path(target))
    except Exception as error:
        print(one_line(error), file=sys.stderr)
        return WRONG_FILE if isinstance(error, DubbenchError) else 4
    return 0


if __name__ == "__main__":
    sys.exit(_main(sys.argv[1]))
