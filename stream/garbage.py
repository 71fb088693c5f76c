"""The collector of garbage, told what a long-lived process is like."""

from __future__ import annotations

import gc


def settle() -> None:
    """Call once all parts are wired: what there is by then stays, and is not walked again.

    A worker spent an eighth of its time there, and now and then an HTTP request waited for a walk
    over everything that was ever imported.
    """
    gc.freeze()
    gc.set_threshold(50_000, 50, 100)
