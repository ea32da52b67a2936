"""Attention maps of the Synchronizer for one clip (the paper's figure 5)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from dubbench.core.request import DubRequest
from dubbench.errors import DubbenchError
from dubbench.systems.diflowdubber.system import DiFlowDubber


@dataclass(frozen=True, slots=True)
class Attention:
    """What the Synchronizer looks at.

    Attributes:
        phones: names of the N phonemes.
        video_text: (F, N) softmax over the phonemes for every video frame, 25 a second.
        speech_text: (L, N) the same for every speech token, 80 a second.
    """

    phones: tuple[str, ...]
    video_text: Any
    speech_text: Any


def attention(system: DiFlowDubber, request: DubRequest) -> Attention:
    """Run a loaded system on one request and keep its maps.

    Raises:
        DubbenchError: it is not loaded, or text, video or reference cannot be used.
    """
    from .batch import collate_dub
    from .text import PHONES

    loaded = system._loaded
    if loaded is None:
        raise DubbenchError("diflowdubber: load() comes before attention()")
    item = system._prepare(request, loaded)
    batch = collate_dub([item], loaded.model.config).to(loaded.device)
    made = loaded.model.generate(batch, 1, [request.seed])  # the maps do not depend on how tokens are taken
    assert made.vt is not None and made.st is not None
    phones = len(item.phonemes)
    frames, tokens = int(batch.frame_lengths[0]), int(made.lengths[0])
    return Attention(
        tuple(PHONES[i] for i in item.phonemes),
        made.vt[0, :frames, :phones].float().cpu().numpy(),
        made.st[0, :tokens, :phones].float().cpu().numpy(),
    )
