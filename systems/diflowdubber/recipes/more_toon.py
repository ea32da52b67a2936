"""More of `toon` to train on: sentences that the corpus does not have, in its ten voices, each with any one's face.

    python systems/diflowdubber/recipes/more_toon.py FOLDER [--sentences 40] [--own-faces]

The folder is a corpus of its own: ``--dataset toon --root FOLDER --split train``. 40 sentences a voice take two minutes
on two cores.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from dubbench.datasets.toon.corpus import make_corpus
from dubbench.datasets.toon.script import more
from dubbench.runtime.progress import progress


def main() -> None:
    """Make it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--sentences", type=int, default=40, help="a voice")
    parser.add_argument("--own-faces", action="store_true", help="every voice with its own face")
    given = parser.parse_args()
    lines = more(given.sentences, given.own_faces)
    with progress("making more of toon", len(lines)) as advance:
        make_corpus(given.folder, os.cpu_count() or 1, lambda done, total: advance(), lines)


if __name__ == "__main__":
    main()
