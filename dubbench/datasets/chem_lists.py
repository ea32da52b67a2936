"""Instructions for getting Chem, whose videos are on YouTube: the steps, Lip2Wav's lists, and the names of clips."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from dubbench.datasets.base import DatasetInfo
from dubbench.errors import DubbenchError
from dubbench.runtime.download import read_url
from dubbench.runtime.files import atomic

VIDEO_ID = re.compile(r"[A-Za-z0-9_-]{11}")
CLIP_ID = re.compile(r"([A-Za-z0-9_-]{11})-[0-9]{1,5}")
LIP2WAV_LISTS = "https://raw.githubusercontent.com/Rudrabha/Lip2Wav/master/Dataset/chem"
LIP2WAV_COUNTS = {"train": 313, "val": 17, "test": 16}


def download_chem(
    root: Path, info: DatasetInfo, say: Callable[[str], object] = print, address: str = LIP2WAV_LISTS
) -> None:
    """Write ``HOW-TO.txt`` and Lip2Wav's lists of YouTube ids (``splits/``) into ``root``; no video is fetched.

    Args:
        root: becomes a `dubbench.datasets.chem.ChemDataset` folder once the steps are done.
        info: whose licence and citation are said.
        say: told the licence and the steps.
        address: of the folder with ``train.txt``, ``val.txt`` and ``test.txt``.

    Raises:
        DubbenchError: the lists cannot be fetched (the steps are written all the same), or are not such lists.
    """
    steps = CHEM_STEPS.format(root=root, lists=address)
    say(f"Chem: {info.licence}; {info.citation}; {info.address}")
    say(steps)
    with atomic(root / "HOW-TO.txt") as temporary:
        temporary.write_text(steps + "\n", "utf-8")
    for split, count in LIP2WAV_COUNTS.items():
        ids = read_url(f"{address}/{split}.txt").decode("utf-8", "replace").split()
        if not ids or not all(VIDEO_ID.fullmatch(video) for video in ids):
            raise DubbenchError(
                f"{address}/{split}.txt: not a list of YouTube ids; fetch it by hand into {root / 'splits'}"
            )
        with atomic(root / "splits" / f"{split}.txt") as temporary:
            temporary.write_text("".join(f"{video}\n" for video in ids), "utf-8")
        say(f"splits/{split}.txt: {len(ids)} videos" + ("" if len(ids) == count else f" (Lip2Wav once had {count})"))


CHEM_STEPS = """\
Chem is cut from YouTube lectures, which dubbench does not fetch. Your steps, in {root}:
1. Lists of videos: splits/train.txt, val.txt, test.txt, from {lists}.
2. Lectures: yt-dlp -f best -a splits/test.txt -o "videos/%(id)s.%(ext)s" (the same for train.txt and val.txt), if the
   terms of the site and the law where you are allow it. Lip2Wav's segments, intervals/<id>/cut-N.mp4, serve as well.
3. Sentences: a table with the columns id (such as AGZZGR5Otxw-013), start, end (seconds in the lecture) and text. No
   public list has them; the papers' authors share theirs on request.
4. Clips: dubbench data prepare chem, with that table.
With sentence clips at hand, put them and transcripts.csv (id,text) into the folder; no step is left."""
