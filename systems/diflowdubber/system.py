"""DiFlowDubber as a system of dubbench: silent video, text and a reference voice to speech."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dubbench.core.request import Dub, DubRequest, Failure
from dubbench.core.system import SystemBase, SystemInfo
from dubbench.errors import DubbenchError, one_line
from dubbench.runtime.provenance import versions

if TYPE_CHECKING:
    from dubbench.core.ablation import Order, Published, Recipe

    from .batch import DubItem
    from .codec.base import Codec
    from .stage1 import Generated
    from .stage2 import Stage2

PAPER = "DiFlowDubber: Discrete Flow Matching for Automated Video Dubbing via Cross-Modal Alignment and Synchronization"


class DiFlowDubber(SystemBase):
    """DiFlowDubber: speech by discrete flow matching, in time with lips and face, in the voice of a reference.

    Args:
        checkpoint: of stage 2: a folder from ``dubbench train release``, a checkpoint or a run; None: the shipped one.
        nfe: function evaluations of a flow that is sampled; given alone it means ``decode=paper``, whose default is 16
            (the paper takes 128).
        temperature: of what the model believes: one number, or ``prosody:content:acoustic``. None: the decoding's.
        codec: the one that made the training features; None: the one beside the checkpoint, else the shipped one.
        batch: clips at once. A clip's dub depends on its own seed alone; across batch sizes it is the same up to the
            rounding of the machine's matrix products.
        bf16: bfloat16 on a GPU; on the CPU it is float32 always.
        lips: folder of .npy lip features, for a checkpoint that was trained on such.
        face: folder of .npy face features, likewise.
        decode: ``streams`` (prosody and acoustics by their means after one evaluation: what did best on held-out clips
            with the shipped checkpoint) or ``paper`` (both sampled). Empty: ``streams``, unless ``nfe`` is given.
        prosody: ``sample``, ``mean`` or ``search`` (the smoothest likely pitch) instead of the decoding's.
        content: ``likeliest``, or ``mean`` for the books behind the first, instead of the decoding's.
        acoustic: ``sample`` or ``mean`` instead of the decoding's.

    Raises:
        DubbenchError: no checkpoint, or one of another stage.
    """

    def __init__(
        self,
        checkpoint: str | None = None,
        nfe: int | None = None,
        temperature: float | str | None = None,
        codec: str | None = None,
        batch: int = 1,
        bf16: bool = True,
        lips: str | None = None,
        face: str | None = None,
        decode: str = "",
        prosody: str = "",
        content: str = "",
        acoustic: str = "",
    ) -> None:
        from dubbench.training.checkpoint import META, find, read_meta, weights_digest

        from .codecs import CODEC_FILE, WEIGHTS
        from .decoding import decoding

        if batch < 1:
            raise DubbenchError("diflowdubber: batch must be at least 1")
        decode = decode or ("streams" if nfe is None else "paper")
        self.decoding = decoding(decode, nfe, temperature, prosody=prosody, content=content, acoustic=acoustic)
        if checkpoint is None and not (WEIGHTS / META).is_file():
            raise DubbenchError(
                "diflowdubber ships no weights in this installation; train them (docs/training.md) and name them: "
                "diflowdubber(checkpoint=FOLDER)"
            )
        self.folder = find(WEIGHTS if checkpoint is None else Path(checkpoint).expanduser())
        self.meta = read_meta(self.folder)
        if self.meta.get("stage") != "dub":
            raise DubbenchError(f"{self.folder}: a checkpoint of stage {self.meta.get('stage')!r}; dubbing needs 'dub'")
        beside = self.folder / CODEC_FILE
        self.codec_spec = codec or (str(beside) if beside.is_file() else "world")
        self.bf16 = bf16
        self.npy = (lips, face)
        made = self.meta["codec"]
        self.info = SystemInfo(
            name="diflowdubber",
            kind="model",
            summary=f"discrete flow matching over tokens of {made['name']}, size {self.meta['config']['name']}",
            paper=PAPER,
            licence="Apache-2.0",
            weights={"dub": weights_digest(self.folder), "codec": made["digest"]},
            trained_on=trained_on(self.meta),
            conditioned_on=("resemblyzer",) if made["name"] == "world" else (made["name"],),
            settings={
                "decode": decode,
                **self.decoding.settings,
                "bf16": bf16,
                "step": int(self.meta.get("step", 0)),
                **_inputs(made["name"], self.meta["visual"], self.npy),
            },
            batch=batch,
        )
        self._loaded: _Loaded | None = None

    @staticmethod
    def ablation(order: Order) -> Recipe:
        """Table 3 (see `dubbench.core.ablation`)."""
        from .ablation import table_3
        from .published import as_printed

        return table_3(order, as_printed(DiFlowDubber))

    @staticmethod
    def published(option: str) -> Published | None:
        """The paper's table over an option: Table 4 for ``nfe``."""
        from .published import TABLE_4, as_printed

        return replace(TABLE_4, options=as_printed(DiFlowDubber)) if option == "nfe" else None

    def parameters(self) -> dict[str, int]:
        """Parameters at inference: ``visual``, the first layer on lips and face, apart from the rest."""
        from .config import Config
        from .sizes import count_parameters

        counts = count_parameters(Config.from_dict(self.meta["config"]))
        return {"model": counts["inference"] - counts["visual"], "visual": counts["visual"]}

    def load(self, device: str) -> None:
        """Load model and codec, and check that they belong together.

        Raises:
            DubbenchError: damaged weights, or a codec that is not the one of the training features.
        """
        import torch

        from dubbench.systems.diflowdubber.training.load import load_model

        from .codecs import check_codec, open_codec
        from .stage2 import Stage2

        model, _ = load_model(self.folder, "dub")
        assert isinstance(model, Stage2)
        codec = open_codec(self.codec_spec, device)
        check_codec(codec, self.codec_spec, self.meta["codec"]["digest"], f"{self.folder} speaks")
        self._loaded = _Loaded(model.to(device), codec, torch.device(device))

    def close(self) -> None:
        """Free the weights."""
        self._loaded = None

    def dub(self, requests: Sequence[DubRequest]) -> Iterator[Dub | Failure]:
        """One dub or failure a request; what is wrong with one request does not touch the others."""
        if self._loaded is None:
            raise DubbenchError("diflowdubber: load() comes before dub()")
        ready: list[tuple[DubRequest, DubItem, float]] = []
        for request in requests:
            start = time.perf_counter()
            try:
                item = self._prepare(request, self._loaded)
            except Exception as error:
                yield Failure(request.clip, one_line(error))
                continue
            ready.append((request, item, time.perf_counter() - start))
        for first in range(0, len(ready), self.info.batch):
            yield from self._speak(ready[first : first + self.info.batch], self._loaded)

    def _prepare(self, request: DubRequest, loaded: _Loaded) -> DubItem:
        """The frontend: everything but the model.

        Raises:
            DubbenchError: text, video or reference cannot be used.
        """
        from dubbench.training.features import with_deltas

        from .batch import DubItem
        from .frontend import check_duration, speaker_vector, visual_features
        from .text import phone_ids, phonemes

        phones = phone_ids(phonemes(request.text))  # the quickest to fail comes first
        config = loaded.model.config
        check_duration(request.duration, config.seconds, request.video)
        voice = speaker_vector(loaded.codec, request.reference)
        if self.meta["visual"] == "landmarks":
            seen = visual_features(request.video, config.seconds)
            lips, face = with_deltas(seen.lips), seen.face
        else:
            lips, face = self._read_npy(request)
        return DubItem(phones, lips, face, voice)

    def _read_npy(self, request: DubRequest) -> tuple[Any, Any]:
        from .frontend import FRAMES, find_features, read_features

        frames = max(1, round(request.duration * FRAMES))
        found = [find_features(Path(folder), request.clip) for folder in self.npy if folder]
        if len(found) < 2:
            raise DubbenchError("this checkpoint was trained on .npy features: give their folders as lips= and face=")
        lips, face = (read_features(path, frames) for path in found)
        return lips, face

    def _speak(self, ready: Sequence[tuple[DubRequest, DubItem, float]], loaded: _Loaded) -> Iterator[Dub | Failure]:
        import torch

        from .batch import collate_dub
        from .codec.base import RATE, Tokens
        from .decoding import Reader
        from .text import PHONES

        start = time.perf_counter()
        requests = [request for request, _, _ in ready]
        try:
            batch = collate_dub([item for _, item, _ in ready], loaded.model.config).to(loaded.device)
            half = self.bf16 and loaded.device.type == "cuda"
            with torch.autocast(loaded.device.type, torch.bfloat16, enabled=half):
                read = Reader(self.decoding, loaded.codec)
                made = loaded.model.generate(batch, self.decoding.nfe, [r.seed for r in requests], read=read)
            tokens = made.tokens.cpu().numpy()
        except DubbenchError as error:  # a clip's own fault: find out whose, alone
            if len(ready) == 1:
                yield Failure(requests[0].clip, one_line(error))
            else:
                for one in ready:
                    yield from self._speak([one], loaded)
            return
        model_time = (time.perf_counter() - start) / len(ready)
        for row, (request, item, frontend_time) in enumerate(ready):
            start = time.perf_counter()
            length = int(made.lengths[row])
            sound = loaded.codec.decode(Tokens.of(tokens[row, :, :length], item.speaker))
            yield Dub(
                clip=request.clip,
                samples=_fit(sound, round(request.duration * RATE)),
                sample_rate=RATE,
                timings={"frontend": frontend_time, "model": model_time, "vocoder": time.perf_counter() - start},
                extras={"phones": [PHONES[i] for i in item.phonemes], "ends": _ends(made, row, len(item.phonemes))},
            )


@dataclass(frozen=True)
class _Loaded:
    model: Stage2
    codec: Codec
    device: Any


def _inputs(codec: str, visual: str, npy: tuple[str | None, str | None]) -> dict[str, str | int]:
    """What else a dub depends on: the packages behind codec, model and landmarks, or the folders of features."""
    from dubbench.training.features import VERSION

    from .codecs import CODEC_PACKAGES
    from .frontend import npy_state

    names = ["torch", *CODEC_PACKAGES.get(codec, ()), *(("mediapipe", "av") if visual == "landmarks" else ())]
    told: dict[str, str | int] = {"codec": codec, "visual": visual, "features": VERSION}
    told |= versions(*names, extra="diflowdubber")
    if visual != "landmarks":
        told |= {part: npy_state(Path(f)) for part, f in zip(("lips", "face"), npy, strict=True) if f}
    return told


def trained_on(meta: dict[str, Any]) -> tuple[str, ...]:
    """The data sets that a checkpoint's weights have seen, in both stages."""
    return tuple(sorted({row["dataset"] for row in seen(meta)}))


def seen(meta: dict[str, Any]) -> list[dict[str, Any]]:
    """The features (data set, split, clips, sha256) that a checkpoint, its teacher and its first weights have seen."""
    origins = [meta, meta.get("teacher") or {}, meta.get("init") or {}]
    rows = {row.get("sha256", str(row)): row for origin in origins for row in origin.get("features", ())}
    return list(rows.values())


def _fit(sound: Any, length: int) -> Any:
    """Cut, or padded with zeros, to the video's length (less than half a token's difference)."""
    import numpy as np

    return np.pad(sound[:length], (0, max(0, length - len(sound))))


def _ends(made: Generated, row: int, phones: int) -> list[float]:
    """End of each phone in seconds, as MAS found them in the video."""
    assert made.frame_durations is not None
    frames = made.frame_durations[row, :phones].cumsum(0).tolist()
    return [round(frame / 25, 2) for frame in frames]
