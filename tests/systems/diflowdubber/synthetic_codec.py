"""A codec whose tokens say how loud the sound is."""

import numpy as np

from dubbench.systems.diflowdubber.codec.base import Tokens, frames_of


class FakeCodec:
    """Tokens that say how loud each 12.5 ms are."""

    name, digest = "fake", "f" * 64

    def encode(self, wav):
        loud = np.abs(wav[: frames_of(len(wav)) * 200].reshape(-1, 200)).max(1)
        return Tokens.of(np.tile((loud * 1023).astype(np.int64), (6, 1)), np.full(256, loud.mean(), np.float32))

    def settle(self, beliefs):
        likeliest = {row: p.argmax(1) for row, p in beliefs.probabilities.items()}
        return np.stack([likeliest.get(row, tokens) for row, tokens in enumerate(beliefs.tokens)])

    def decode(self, tokens):
        return np.repeat(tokens.prosody[0] / 1023, 200).astype(np.float32)
