"""Tasks for test_engine, importable by name in a new process."""

import os
import time


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
    if kind == "none":
        return None
    if kind == "threads":
        return os.environ["OMP_NUM_THREADS"]
    return kind
