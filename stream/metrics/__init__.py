"""Numbers that a process offers to whoever watches it: gathered, written out, served at a port."""
