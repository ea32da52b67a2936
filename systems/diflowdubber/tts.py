"""Stage 1 as a system: zero-shot text to speech that sees no video (the paper's baseline, and what stage 2 adds to)."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from dubbench.core.request import Dub, DubRequest, Failure
from dubbench.core.system import SystemBase, SystemInfo
from dubbench.errors import DubbenchError, one_line
from dubbench.runtime.provenance import versions
from dubbench.systems.diflowdubber.system import PAPER, trained_on

if TYPE_CHECKING:
    from .codec.base import Codec
    from .stage1 import Stage1

PROMPT = 2.0
"""Seconds of the reference whose tokens the flow follows: the middle of what stage 1 was trained on."""


class DiFlowTTS(SystemBase):
    """Text to speech with durations of its own: the dub starts with the clip and ends when all is said.

    Args:
        checkpoint: of stage 1: a checkpoint or a run of ``dubbench train tts``.
        nfe: number of function evaluations of the flow.
        temperature: of its sampling.
        codec: the one that made the training features; None: the one beside the checkpoint, else the shipped one.

    Raises:
        DubbenchError: no checkpoint, or one of another stage.
    """

    def __init__(self, checkpoint: str = "", nfe: int = 16, temperature: float = 0.5, codec: str | None = None) -> None:
        from dubbench.training.checkpoint import find, read_meta, weights_digest
        from dubbench.training.features import VERSION

        from .codecs import CODEC_FILE, CODEC_PACKAGES

        if not checkpoint:
            raise DubbenchError(
                "diflowdubber_tts ships no weights; train them (dubbench train tts) and name them: "
                "diflowdubber_tts(checkpoint=FOLDER)"
            )
        if nfe < 1 or temperature <= 0:
            raise DubbenchError("diflowdubber_tts: nfe must be at least 1, temperature above 0")
        self.folder = find(Path(checkpoint).expanduser())
        meta = read_meta(self.folder)
        if meta.get("stage") != "tts":
            raise DubbenchError(f"{self.folder}: a checkpoint of stage {meta.get('stage')!r}; this needs 'tts'")
        beside = self.folder / CODEC_FILE
        self.wanted = meta["codec"]["digest"]
        self.codec_spec = codec or (str(beside) if beside.is_file() else "world")
        self.nfe, self.temperature = nfe, temperature
        name = meta["codec"]["name"]
        self.info = SystemInfo(
            name="diflowdubber_tts",
            kind="model",
            summary=f"stage 1 of DiFlowDubber: text to speech that sees no video, size {meta['config']['name']}",
            paper=PAPER,
            licence="Apache-2.0",
            weights={"tts": weights_digest(self.folder), "codec": self.wanted},
            trained_on=trained_on(meta),
            conditioned_on=("resemblyzer",) if name == "world" else (name,),
            settings={
                "nfe": nfe,
                "temperature": temperature,
                "prompt": PROMPT,
                "features": VERSION,
                **versions("torch", *CODEC_PACKAGES.get(name, ()), extra="diflowdubber"),
            },
        )
        self._loaded: tuple[Stage1, Codec] | None = None

    def load(self, device: str) -> None:
        """Load model and codec.

        Raises:
            DubbenchError: damaged weights, or a codec that is not the one of the training features.
        """
        from dubbench.systems.diflowdubber.training.load import load_model

        from .codecs import check_codec, open_codec
        from .stage1 import Stage1

        model, _ = load_model(self.folder, "tts")
        assert isinstance(model, Stage1)
        codec = open_codec(self.codec_spec, device)
        check_codec(codec, self.codec_spec, self.wanted, f"{self.folder} speaks")
        self._loaded = model.to(device), codec

    def close(self) -> None:
        """Free the weights."""
        self._loaded = None

    def dub(self, requests: Sequence[DubRequest]) -> Iterator[Dub | Failure]:
        """One dub or failure a request."""
        if self._loaded is None:
            raise DubbenchError("diflowdubber_tts: load() comes before dub()")
        for request in requests:
            try:
                yield self._speak(request, *self._loaded)
            except Exception as error:
                yield Failure(request.clip, one_line(error))

    def _speak(self, request: DubRequest, model: Stage1, codec: Codec) -> Dub:
        from dubbench.signal.media import read_audio

        from .batch import TtsItem, collate_tts
        from .codec.base import RATE, Tokens
        from .frontend import LONGEST, voice_of
        from .text import phone_ids, phonemes

        start = time.perf_counter()
        phones = phone_ids(phonemes(request.text))
        recorded = read_audio(request.reference, RATE)[: round(LONGEST * RATE)]
        voice = voice_of(codec, recorded, str(request.reference))
        prompt = codec.encode(recorded).stacked[:, : round(PROMPT * model.config.token_rate)]
        ready = time.perf_counter()
        batch = collate_tts([TtsItem(phones, voice, prompt)], model.config).to(next(model.parameters()).device)
        tokens = model.generate(batch, self.nfe, [request.seed], temperature=self.temperature).tokens[0].cpu().numpy()
        spoken = time.perf_counter()
        samples = codec.decode(Tokens.of(tokens, voice))
        done = time.perf_counter()
        timings = {"frontend": ready - start, "model": spoken - ready, "vocoder": done - spoken}
        return Dub(request.clip, samples, RATE, timings)
