"""Building blocks. All tensors are (batch, time, channels); a mask is (batch, time), True where there is data.

One rule keeps padding out: what lies at padded positions is undefined, and whatever mixes over time (convolution,
attention, norms, means, interpolation) masks its own input.
"""
