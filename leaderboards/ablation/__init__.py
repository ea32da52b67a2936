"""Ablations and sweeps: systems that differ in one thing, trained, run, scored and compared.

The harness knows no system by name: what can be taken out, and how a row is trained, says the system's class
(`dubbench.core.ablation`). Dubs and scores come from `dubbench.pipeline`, intervals from the leaderboards' statistics.
"""
