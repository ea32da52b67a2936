"""Weights of a test's own in the place of published ones."""

from pathlib import Path

from dubbench.runtime.digests import file_digest
from dubbench.weights.catalogue import Lock, Seen, asset, folder_of, target_of, write_lock


def place(name: str, file: Path) -> Path:
    """Put ``file`` where the converted file of the weight ``name`` would be, as if it came from the published one.

    Set ``DUBBENCH_ASSETS`` to a folder of the test's first.
    """
    item = asset(name)
    target = target_of(item)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(file.read_bytes())
    stat, published = target.stat(), item.sha256 or "0" * 64
    lock = Lock(converted_from=published)
    lock.files[item.file] = Seen(sha256=published, size=item.size, modified=0)
    if item.convert:
        lock.files[target.name] = Seen(sha256=file_digest(target), size=stat.st_size, modified=stat.st_mtime_ns)
    folder_of(item)
    write_lock(item, lock)
    return target
