"""The Python face, and the work behind the verbs: everything from a request to a board, as functions."""

from dubbench.api.one_pair import evaluate
from dubbench.api.results import Results, load
from dubbench.api.scoring import run, score

__all__ = ["Results", "evaluate", "load", "run", "score"]
