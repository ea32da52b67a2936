"""The control ``codec_copy``: speech encoded and decoded, the upper bound of every model that speaks the codec's
tokens.
"""

from __future__ import annotations

import numpy as np

from dubbench.core.request import DubRequest
from dubbench.core.system import SystemInfo
from dubbench.runtime.provenance import versions
from dubbench.systems.controls.plain import Control, Samples, truth_of


class CodecCopy(Control):
    """The ground truth, encoded and decoded.

    Args:
        codec: ``world`` (shipped), a file of ``dubbench codec fit``, or a folder with FACodec's two files.

    Raises:
        DubbenchError: there is no such codec.
    """

    def __init__(self, codec: str = "world") -> None:
        from dubbench.systems.diflowdubber.codecs import CODEC_PACKAGES, open_codec

        self.codec = open_codec(codec)
        name = self.codec.name
        self.info = SystemInfo(
            name="codec_copy",
            kind="control",
            summary=f"the ground truth through the codec {name} and back",
            licence="Apache-2.0",
            weights={"codec": self.codec.digest},
            conditioned_on=("resemblyzer",) if name == "world" else (name,),
            settings={"codec": name, **versions(*CODEC_PACKAGES[name], extra="diflowdubber")},
        )

    def make(self, request: DubRequest, rng: np.random.Generator) -> Samples:
        """Decoded and cut to the ground truth's length: codecs speak in whole tokens."""
        truth = truth_of(request)
        return self.codec.decode(self.codec.encode(truth))[: len(truth)]
