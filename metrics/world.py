"""The WORLD vocoder's analysis (Morise, Yokomori, Ozawa 2016) through pyworld, as several metrics need it."""

from __future__ import annotations

import warnings
from typing import Any

from dubbench.errors import require


def pyworld(feature: str) -> Any:
    """The module pyworld; `DubbenchError` says that ``feature`` needs it where it is absent."""
    with warnings.catch_warnings():
        # It imports pkg_resources, whose deprecation a user can do nothing about.
        warnings.filterwarnings("ignore", message="pkg_resources is deprecated")
        return require("pyworld", "metrics", feature)
