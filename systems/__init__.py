"""Dubbing systems: one file or folder each."""
