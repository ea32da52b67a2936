"""Data sets: the sources of clips."""
