"""Discrete flow matching (Gat et al. 2024, arXiv 2407.15595) from an all-mask source, as four small objects.

`scheduler` says how fast, `path` what lies between mask and data, `loss` how the denoiser learns, `sampler` how
tokens are made.
"""
