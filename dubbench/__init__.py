"""dubbench: the benchmark for video dubbing.

From Python::

    import dubbench

    scores = dubbench.score("my_dubs", dataset="folder", root="clips", metrics=["pitch", "align"])
    scores.to_pandas()   # a row a (system, clip, column)
    scores.table()       # table.csv as a DataFrame
    dubbench.load("runs/quick")
    dubbench.evaluate("pitch", dub=samples, truth=truth, rate=16000)
"""

from typing import TYPE_CHECKING, Any

from dubbench.version import __version__

if TYPE_CHECKING:
    from dubbench.api import Results, evaluate, load, run, score

__all__ = ["Results", "__version__", "evaluate", "load", "run", "score"]


def __getattr__(name: str) -> Any:  # so that ``import dubbench`` and ``dubbench --help`` stay instant
    if name in __all__:
        from dubbench import api

        return getattr(api, name)
    raise AttributeError(f"module 'dubbench' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
