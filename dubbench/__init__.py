"""dubbench: the benchmark for video dubbing."""

__version__ = "0.1.0"
