"""What merges and deletions do to the simulated tables."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from state.contact import Profile
from state.erasure import Erasure, redacted
from state.merge import Merge
from tests.simulation.histories import with_history

if TYPE_CHECKING:
    from tests.simulation.tables import Tables


def follow_merge(tables: Tables, merge: Merge) -> None:
    """Redirect a merged contact, and all that were merged into it, to its survivor (rule I3)."""
    assert merge.merge_id not in tables.merges, "a merge takes place once"
    tables.merges[merge.merge_id] = merge
    gone = merge.merged.contact_id
    tables.merged[gone] = merge.survivor
    tables.merged.update(
        {one: merge.survivor for one, home in tables.merged.items() if home == gone}
    )
    tables.contacts[gone] = replace(tables.contacts[gone], profile=Profile())
    assert not tables.contacts[gone].links, "identifiers have moved to the survivor"


def erase(tables: Tables, erasure: Erasure) -> None:
    """Take away what is a person's, what this very turn wrote too (rule I5)."""
    gone = set(erasure.numbers)
    for name in erasure.identifiers:
        assert tables.owners.get(name) not in gone, "a deleted person holds no name"
        tables.erased[name] = max(erasure.before, tables.erased.get(name, erasure.before))
    for number in gone:
        contact = tables.contacts[number]
        tables.contacts[number] = replace(contact, profile=Profile(), deleted_at=erasure.before)
    for key, record in tables.events.items():
        if record.contact_id in gone:
            event = replace(record.event, payload={}, payload_text="", identifiers=(), raw=b"")
            tables.events[key] = replace(record, event=event, findings=())
    for key, run in tables.done.items():
        if run.contact_id in gone:
            tables.done[key] = with_history(redacted(run))
    for key in [key for key, wait in tables.closed_waits.items() if wait.contact_id in gone]:
        del tables.closed_waits[key]
    for entry in [key for key in tables.enrolments if key[0] in gone]:
        del tables.enrolments[entry]
