"""The weight called toy, which the fixture ``make`` puts among the known ones, and what a verb says of it."""

from collections.abc import Callable
from hashlib import sha256

from http_server import CONTENT

from dubbench.weights.catalogue import Asset

DIGEST = sha256(CONTENT).hexdigest()
Make = Callable[..., Asset]


def lines() -> tuple[list[str], Callable[[str], None]]:
    said: list[str] = []
    return said, said.append
