"""Controls: systems with a known fault, against which every metric is held. Most read the ground truth."""
