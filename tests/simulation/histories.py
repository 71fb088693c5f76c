"""Runs' histories as they are stored."""

from __future__ import annotations

import json
from dataclasses import replace

from state.run import Run


def with_history(run: Run) -> Run:
    """Return the run as it is stored: its fresh entries joined to its past."""
    entries = [json.dumps(entry, default=str) for entry in run.fresh]
    return replace(run, past=",".join(filter(None, [run.past, *entries])), fresh=())


def history(run: Run) -> list[dict[str, dict[str, object]]]:
    """Return a run's entries, stored and fresh."""
    entries: list[dict[str, dict[str, object]]] = json.loads(f"[{with_history(run).past}]")
    return entries
