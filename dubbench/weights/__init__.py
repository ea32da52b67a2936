"""Model weights: their bytes, their sources and their conversion."""
