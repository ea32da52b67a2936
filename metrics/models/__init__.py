"""Networks of the metrics, loaded from weights by name."""
