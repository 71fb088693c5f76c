"""From bytes to events: total, pure, and the one source of the wire's schemas (E1, E2, E6)."""
