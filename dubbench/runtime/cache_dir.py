"""The folder of everything that dubbench can make or fetch again."""

from __future__ import annotations

import os
from pathlib import Path


def cache_dir() -> Path:
    """The base folder of everything cached: ``$DUBBENCH_CACHE``, else the user's cache folder (not created here)."""
    override = os.environ.get("DUBBENCH_CACHE")
    if override:
        return Path(override).expanduser()
    import platformdirs

    return Path(platformdirs.user_cache_dir("dubbench", appauthor=False))
