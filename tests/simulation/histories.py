"""Runs' histories as they are stored."""

from __future__ import annotations

import json
from typing import Any

from msgspec.structs import replace

from state.history import history_of
from state.run import Run


def with_history(run: Run) -> Run:
    """Return the run as it is stored: its fresh entries joined to its past."""
    entries = [json.dumps(entry, default=str) for entry in run.fresh]
    return replace(run, past=",".join(filter(None, [run.past, *entries])), fresh=())


def history(run: Run) -> list[dict[str, dict[str, Any]]]:
    """Return a run's entries, stored and fresh, as they are written once they are stored."""
    return history_of(with_history(run))
