"""Tasks for test_engine, importable by name in a new process."""

import os
import time


def misbehave(kind: str) -> str:
    if kind == "raise":
        raise ValueError("first line\nsecond line")
    if kind == "hang":
        time.sleep(10000)
    if kind == "die":
        os._exit(7)
    if kind == "threads":
        return os.environ["OMP_NUM_THREADS"]
    return kind
