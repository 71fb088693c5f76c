"""Numbers that a process offers to Prometheus: what it counts, at a port of its own."""
