"""Score finished dubs, or run systems, and get the scores back."""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike
from pathlib import Path

from dubbench.api.results import Results, load
from dubbench.api.run_to_board import default_folder, run_cell, with_truth
from dubbench.core.spec import Spec, parse_spec
from dubbench.pipeline.cell import Cell, Resources


def score(
    dubs: str | PathLike[str],
    *,
    dataset: str = "folder",
    root: str | PathLike[str] | None = None,
    setting: str = "2.0",
    metrics: Sequence[str] = (),
    profile: str = "offline",
    split: str = "test",
    limit: int | None = None,
    label: str | None = None,
    rule: str = "auto",
    out: str | PathLike[str] | None = None,
    workers: int = 0,
    device: str = "auto",
    timeout: float = 600.0,
) -> Results:
    """Score a folder of finished dubs; the same as ``dubbench score --dubs``.

    Args:
        dubs: a folder of sound files or videos named after the clips (``rule``: see ``dubbench systems precomputed``).
        dataset: the data set's name: ``folder``, ``grid``, ``chem``, ``toon`` or a plugin's.
        root: its folder; None for its usual place.
        setting: ``1.0``, ``2.0`` or ``3.0``.
        metrics: names or specs (``wer-faster(model=base)``); none for those of ``profile``.
        split: ``test``, ``all``, another split of the data set, or a file of clip ids.
        limit: at most so many clips, spread over the split.
        label: the system's name on the board; None for the folder's.
        out: the run folder; None for ``runs/…`` named after what is scored. Given again, it goes on where it was.
        workers: scoring processes; 0 for one a core.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
        timeout: seconds after which one clip counts as hung.

    Returns:
        The scores, also of the ground truth, as `Results`.

    Raises:
        DubbenchError: wrong names, nothing to score, or a folder that another process works in. The message is one
            line that says what to do. A clip that fails is no error: it is a row with a reason.
    """
    folder = Path(dubs).expanduser().resolve()
    spec = Spec("precomputed", (str(folder),), (("rule", rule),), label or folder.name)
    asked = Cell(dataset, split, setting, limit, profile, 0, tuple(metrics))
    return _run(asked, root, [spec], out, Resources(workers, device, timeout))


def run(
    systems: Sequence[str],
    *,
    dataset: str = "toon",
    root: str | PathLike[str] | None = None,
    setting: str = "2.0",
    metrics: Sequence[str] = (),
    profile: str = "offline",
    split: str = "test",
    limit: int | None = None,
    seed: int = 0,
    out: str | PathLike[str] | None = None,
    workers: int = 0,
    device: str = "auto",
    timeout: float = 600.0,
) -> Results:
    """Dub with systems and score; the same as ``dubbench run``. Arguments and errors as in `score`.

    Args:
        systems: specs, such as ``diflowdubber(nfe=8)``, ``delay(ms=-40)`` or ``my_system.py:Mine``.
        seed: of all systems.
    """
    asked = Cell(dataset, split, setting, limit, profile, seed, tuple(metrics))
    return _run(asked, root, [parse_spec(text) for text in systems], out, Resources(workers, device, timeout))


def _run(
    cell: Cell,
    root: str | PathLike[str] | None,
    specs: Sequence[Spec],
    out: str | PathLike[str] | None,
    resources: Resources,
) -> Results:
    roots = {cell.dataset: Path(root).expanduser()} if root is not None else {}
    folder = Path(out).expanduser() if out is not None else default_folder(cell, roots)
    run_cell(cell, roots, with_truth(specs), folder, resources)
    return load(folder)
