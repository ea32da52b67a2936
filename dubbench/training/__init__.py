"""The parts that the training of any model shares: features, held-out clips, checkpoints."""
