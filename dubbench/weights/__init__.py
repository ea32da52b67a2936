"""Which model bytes, from where, converted how."""
