"""Metrics: one file a family; the functional core first, a thin class after it."""
