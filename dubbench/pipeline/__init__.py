"""From a plan to scores: plan, prepare, dub, score, one file a step. Never a board."""
