"""Data sets: where clips come from."""
