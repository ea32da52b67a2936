"""Tasks for test_engine, importable by name in a new process."""

import multiprocessing
import os
import subprocess
import time


def absent() -> None:
    raise FileNotFoundError("rebuilt from a file that is gone")


class Unreadable:
    """Cannot be rebuilt where it is sent."""

    def __reduce__(self) -> tuple[object, tuple[()]]:
        return absent, ()


class WordlessError(Exception):
    """Cannot say what it is."""

    def __str__(self) -> str:
        raise RuntimeError


def misbehave(kind: str) -> object:
    if kind == "raise":
        raise ValueError("first line\nsecond line")
    if kind == "hang":
        time.sleep(10000)
    if kind == "die":
        os._exit(7)
    if kind == "exit":
        raise SystemExit(3)
    if kind == "lambda":
        return lambda: None
    if kind == "pool":
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            return pool.map(abs, [-1])
    if kind == "no-rebuild":
        return Unreadable()
    if kind == "closes":
        os.closerange(3, 256)
        time.sleep(10000)
    if kind == "forks":
        if os.fork() == 0:
            return "of the child"
        time.sleep(1)
    if kind == "leaves":
        return subprocess.Popen(["sleep", "10000"]).pid
    if kind == "wordless":
        raise WordlessError
    if kind == "none":
        return None
    if kind == "threads":
        return os.environ["OMP_NUM_THREADS"]
    return kind
