"""HTTP: each dialect is an application of its own over the one run record; none holds rules."""
