"""From per-clip scores to statistics, tables and pages."""
