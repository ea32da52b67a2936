"""A system, a metric and a verb for dubbench."""
