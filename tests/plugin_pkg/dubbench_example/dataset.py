"""A data set of five clips of two speakers, made when it is first used."""

from pathlib import Path

import numpy as np

from dubbench.core.clip import Clip
from dubbench.datasets.base import DatasetInfo, Problem
from dubbench.signal.media import mux

NAMES = ("a-0", "a-1", "a-2", "b-3", "b-4")


class Tones:
    """Grey pictures and tones."""

    info = DatasetInfo(name="example-tones", summary="five clips of tones", licence="CC0")

    def __init__(self, root: Path | None) -> None:
        if root is None:
            raise ValueError("example-tones needs --root, a folder to make its clips in")
        self.root = root

    @classmethod
    def download(cls, root: Path | None, *, address: str = "nowhere", speaker: list[str] | None = None) -> None:
        """Pretend to fetch: what came from where is written down."""
        print(f"example-tones: licence {cls.info.licence}, 0 bytes from {address}")
        root = root or Path("tones")
        root.mkdir(parents=True, exist_ok=True)
        (root / "fetched.txt").write_text(f"{address} {speaker}")

    def clips(self) -> list[Clip]:
        return [self._clip(i, name) for i, name in enumerate(NAMES)]

    def problems(self) -> list[Problem]:
        return []

    def split(self, name: str) -> list[str] | None:
        return list(NAMES[1:]) if name == "test" else None

    def _clip(self, i: int, name: str) -> Clip:
        video = self.root / f"{name}.mp4"
        if not video.exists():
            self.root.mkdir(parents=True, exist_ok=True)
            t = np.arange(16000) / 16000
            tone = (0.1 * np.sin(2 * np.pi * (100 + 20 * i) * t)).astype(np.float32)
            still = self.root / f".{name}.mp4"
            _still(still, 60 + 30 * i)
            mux(still, tone, 16000, video)
            still.unlink()
        return Clip(name, self.info.name, name[0], f"tone number {i}", video, video)


def _still(path: Path, grey: int) -> None:
    import av

    with av.open(str(path), "w") as output:
        stream = output.add_stream("libx264", rate=25, options={"threads": "1"})
        stream.width = stream.height = 64
        stream.pix_fmt = "yuv420p"
        for _ in range(25):
            picture = np.full((64, 64, 3), grey, np.uint8)
            output.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        output.mux(stream.encode(None))
