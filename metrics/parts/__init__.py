"""Parts that metrics share: time warping, filter banks, loudness, mouth crops, text normalisation, voices."""
