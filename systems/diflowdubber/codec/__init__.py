"""Speech to tokens and back, factorised into prosody, content, acoustic detail and speaker.

`base` holds the protocol; `facodec` is the codec of the paper (its weights are downloaded); `world` needs no
download: `world` the codec, `world_features` analysis and synthesis, `world_fit` how it is fitted, `kmeans` the
quantiser.
"""

from dubbench.systems.diflowdubber.codec.base import Codec, Tokens, frames_of

__all__ = ["Codec", "Tokens", "frames_of"]
