"""Checkpoints: a folder of safetensors files and ``meta.json``, which names them with their sha256.

Written whole or not at all, read without running code from them, and cut into parts of any size and joined again.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from dubbench.errors import DubbenchError
from dubbench.runtime.files import atomic
from dubbench.weights.exact import load_exactly

FORMAT = 1
META = "meta.json"
MIB = 1024 * 1024
Groups = Mapping[str, Mapping[str, Tensor]]


def write(folder: Path, groups: Groups, meta: Mapping[str, Any], limit: int | None = None) -> None:
    """Write ``groups`` (``model``, ``ema`` …) of tensors to a new ``folder``.

    Args:
        limit: bytes a file; more make several parts. No tensor is cut.

    Raises:
        DubbenchError: the folder exists, or a tensor is larger than ``limit``.
    """
    folder = Path(folder)
    if folder.exists():
        raise DubbenchError(f"{folder}: exists already; give a new folder")
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        files = {group: _write_group(temporary, group, tensors, limit) for group, tensors in groups.items()}
        told = {**meta, "format": FORMAT, "files": files}
        told["digest"] = _digest(told)
        (temporary / META).write_text(json.dumps(told, indent=1, sort_keys=True, ensure_ascii=False) + "\n", "utf-8")
        for path in temporary.iterdir():
            path.chmod(0o644)
            with path.open("rb") as file:
                os.fsync(file.fileno())
        temporary.chmod(0o755)
        temporary.replace(folder)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise


def _write_group(folder: Path, group: str, tensors: Mapping[str, Tensor], limit: int | None) -> list[dict[str, Any]]:
    from safetensors.torch import save_file

    parts: list[dict[str, Tensor]] = [{}]
    size = 0
    room = None if limit is None else limit - 64 * 1024  # for the header
    for name, tensor in tensors.items():
        x = tensor.detach().cpu().contiguous()
        if limit is not None and room is not None and x.nbytes > room:
            raise DubbenchError(f"{name} has {x.nbytes / MIB:.1f} MiB; parts of {limit / MIB:g} MiB cannot hold it")
        if room is not None and parts[-1] and size + x.nbytes > room:
            parts.append({})
            size = 0
        parts[-1][name] = x
        size += x.nbytes
    rows = []
    for i, part in enumerate(parts, 1):
        path = folder / (
            f"{group}.safetensors" if len(parts) == 1 else f"{group}-{i:05}-of-{len(parts):05}.safetensors"
        )
        save_file({name: x.clone() for name, x in part.items()}, path)
        rows.append({"name": path.name, "bytes": path.stat().st_size, "sha256": _file_digest(path)})
    return rows


def read_meta(folder: Path) -> dict[str, Any]:
    """What a checkpoint says about itself.

    Raises:
        DubbenchError: no checkpoint, damaged, changed, or of another format.
    """
    path = Path(folder) / META
    try:
        meta = json.loads(path.read_text("utf-8"))
    except OSError as error:
        raise DubbenchError(f"{folder}: no checkpoint there ({error.strerror or error})") from error
    except ValueError as error:
        raise DubbenchError(f"{path}: damaged or cut short ({error})") from error
    if not isinstance(meta, dict) or meta.get("format") != FORMAT or "files" not in meta:
        raise DubbenchError(f"{path}: not a checkpoint of this version")
    if meta.get("digest") != _digest(meta):
        raise DubbenchError(f"{path}: was changed after it was written (its digest does not fit)")
    return meta


def read(folder: Path, group: str) -> dict[str, Tensor]:
    """The tensors of one group.

    Raises:
        DubbenchError: no such group, or a file that is missing, truncated, changed or unreadable.
    """
    from safetensors.torch import load

    files = read_meta(folder)["files"]
    if group not in files:
        raise DubbenchError(f"{folder}: has no {group!r}; there are: {', '.join(files)}")
    tensors: dict[str, Tensor] = {}
    for row in files[group]:
        path = Path(folder) / Path(row["name"]).name
        try:
            data = path.read_bytes()
        except OSError as error:
            raise DubbenchError(f"{path}: missing or unreadable ({error.strerror or error})") from error
        if len(data) != row["bytes"]:
            raise DubbenchError(f"{path}: {len(data):,} bytes of {row['bytes']:,}; it was cut short, copy it again")
        if hashlib.sha256(data).hexdigest() != row["sha256"]:
            raise DubbenchError(f"{path}: its sha256 does not fit; it was changed or damaged, copy it again")
        tensors.update(load(data))
    return tensors


def repack(source: Path, target: Path, limit: int | None) -> None:
    """Write ``source`` anew in parts of at most ``limit`` bytes, or in one file a group for None (`split`, `join`)."""
    meta = read_meta(source)
    groups = {group: read(source, group) for group in meta["files"]}
    write(target, groups, kept(meta), limit)


def weights_digest(folder: Path) -> str:
    """sha256 over the digests of all files: what a system's identity carries."""
    rows = read_meta(folder)["files"]
    return _digest({group: [row["sha256"] for row in rows[group]] for group in rows})


def load_state(model: nn.Module, state: Mapping[str, Tensor], where: str) -> None:
    """Load the tensors of a checkpoint at ``where``.

    Raises:
        DubbenchError: names or shapes of another configuration.
    """
    load_exactly(model, state, f"{where}: weights of another configuration")


def pack_optimiser(optimiser: torch.optim.Optimizer) -> dict[str, Tensor]:
    """Its state as tensors by ``number.name``."""
    state = optimiser.state_dict()["state"]
    return {f"{i}.{name}": torch.as_tensor(x) for i, row in state.items() for name, x in row.items()}


def unpack_optimiser(optimiser: torch.optim.Optimizer, tensors: Mapping[str, Tensor]) -> None:
    """What `pack_optimiser` gave."""
    state: dict[int, dict[str, Tensor]] = {}
    for key, x in tensors.items():
        number, name = key.split(".", 1)
        state.setdefault(int(number), {})[name] = x
    optimiser.load_state_dict({**optimiser.state_dict(), "state": state})


def steps_of(run: Path) -> list[Path]:
    """The checkpoints of a run, the oldest first."""
    return sorted(p for p in (Path(run) / "checkpoints").glob("step-*") if (p / META).is_file())


def mark_best(checkpoint: Path) -> None:
    """Note, atomically, that this is the best checkpoint of its run."""
    with atomic(checkpoint.parent / "best") as temporary:
        temporary.write_text(checkpoint.name + "\n", "utf-8")


def best_of(run: Path) -> Path | None:
    """The best checkpoint of a run, by validation; None if none was validated."""
    note = Path(run) / "checkpoints" / "best"
    name = note.read_text("utf-8").strip() if note.is_file() else ""
    return note.with_name(name) if name and (note.with_name(name) / META).is_file() else None


def find(path: Path) -> Path:
    """A checkpoint's folder: ``path`` itself, or the best, else the last one of the run at ``path``.

    Raises:
        DubbenchError: there is none.
    """
    path = Path(path)
    if (path / META).is_file():
        return path
    best = best_of(path)
    if best is not None:
        return best
    found = steps_of(path)
    if not found:
        raise DubbenchError(f"{path}: no checkpoint and no run with checkpoints")
    return found[-1]


def kept(meta: Mapping[str, Any]) -> dict[str, Any]:
    """``meta`` without what belongs to the files that it was read from."""
    return {key: value for key, value in meta.items() if key not in ("format", "files", "digest")}


def _digest(meta: Mapping[str, Any] | Sequence[Any]) -> str:
    """sha256 of canonical JSON, without the key ``digest``."""
    data = {key: value for key, value in meta.items() if key != "digest"} if isinstance(meta, Mapping) else meta
    return hashlib.sha256(json.dumps(data, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def _file_digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
