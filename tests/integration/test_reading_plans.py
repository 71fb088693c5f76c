"""What people ask is answered by indexes too, on tables that were never analysed."""

import asyncpg

from state.postgres import (
    contact_pages,
    merges,
    reading_contacts,
    reading_events,
    reading_merges,
    reading_pauses,
    reading_runs,
    reading_stream,
    run_counts,
    run_pages,
    unmerging,
)
from state.postgres.reading import SETTINGS
from tests.integration.test_plans import (
    ID,
    NO_ANALYZE,
    ONE_ID,
    call,
    complaints,
    fill,
    plan,
    prepare,
)

PLACE = "'t', 0, 7"
READ = {
    "newest active": (reading_runs.NEWEST_ACTIVE, f"{ID}, 50", "runs_active_automation"),
    "newest done": (
        reading_runs.NEWEST_DONE,
        f"{ID}, 50, '{{failed}}'",
        "_automation_id_status_created_at_idx",
    ),
    "page of active": (
        run_pages.OLDER_ACTIVE,
        f"{ONE_ID}, 21, '2027-01-01', {ONE_ID}",
        "runs_active_automation",
    ),
    "page of done": (
        run_pages.OLDER_DONE,
        f"{ONE_ID}, 21, '2027-01-01', {ONE_ID}, '{{failed}}'",
        "_automation_id_status_created_at_idx",
    ),
    "count of active": (run_counts.ACTIVE, f"{ONE_ID}, 100", "runs_active_automation"),
    "count of done": (
        run_counts.DONE,
        f"{ONE_ID}, 100, '{{failed}}'",
        "_automation_id_status_created_at_idx",
    ),
    "page cursor": (run_pages.CURSOR, f"{ONE_ID}, {ONE_ID}", "runs_active_run_id_key"),
    "page of contacts": (contact_pages.CONTACTS.older, "21, 40000", "contacts_pkey"),
    "page of members": (
        contact_pages.MEMBERS.older,
        f"21, 40000, {ONE_ID}",
        "segment_members_pkey",
    ),
    "active of contact": (
        reading_runs.ACTIVE_OF_CONTACT,
        f"{ID}, 50, array[7, 99]",
        "runs_active_contact_id",
    ),
    "done of contact": (
        reading_runs.DONE_OF_CONTACT,
        f"{ID}, 50, '{{failed}}', array[7, 99]",
        "_contact_id_idx",
    ),
    "active by id": (reading_runs.ACTIVE_BY_ID, ID, "runs_active_run_id_key"),
    "done by id": (reading_runs.DONE_BY_ID, ID, "_run_id"),
    "active that used": (
        reading_runs.ACTIVE_THAT_USED,
        "array[7, 99], 'text'",
        "runs_active_contact_id",
    ),
    "done that used": (reading_runs.DONE_THAT_USED, "array[7, 99], 'text'", "_contact_id_idx"),
    "messages": (reading_runs.MESSAGES, ID, "messages_run_id"),
    "late": (reading_runs.LATE, f"array[7, 99], {ID}", "closed_waits_pkey"),
    "events by key": (reading_events.EVENTS_BY_KEY, f"array[{ONE_ID}]::uuid[]", "_event_key"),
    "duplicates by id": (reading_events.DUPLICATES_BY_ID, "'e'", "duplicates_event_id"),
    "duplicates by place": (reading_events.DUPLICATES_BY_PLACE, PLACE, "duplicates_pkey"),
    "letters by id": (reading_events.LETTERS_BY_ID, "'e'", "quarantine_event_id"),
    "letters by place": (reading_events.LETTERS_BY_PLACE, PLACE, "quarantine_pkey"),
    "newest letters": (
        reading_events.NEWEST_LETTERS,
        "null, 50",
        "quarantine_quarantined_at",
    ),
    "notes by id": (reading_events.NOTES_BY_ID, "'e'", "identity_notes_event_id"),
    "notes by place": (reading_events.NOTES_BY_PLACE, PLACE, "identity_notes_pkey"),
    "going on": (
        reading_pauses.GOING_ON,
        f"{ONE_ID}, '2026-11-22', '{{}}', '{{}}', 5",
        "runs_active_automation_due",
    ),
    "unsent": (reading_pauses.UNSENT, "'a', '2026-11-22'", "outbox_automation_due"),
    "oldest due": (reading_stream.OLDEST_DUE, "", "runs_active_automation_due"),
    "contact": (reading_contacts.CONTACT, "7", "contacts_pkey"),
    "home": (reading_contacts.HOME, "7", "contacts_pkey"),
    "absorbed": (merges.ABSORBED, "array[7, 99]", "contacts_merged_into"),
    "newest merges": (reading_merges.NEWEST, "50", "merges_merged_at"),
    "merges of a person": (reading_merges.OF_PERSON, "array[7, 99], 50", "merges_survivor"),
    "merges of a merged one": (reading_merges.OF_PERSON, "array[7, 99], 50", "merges_merged"),
    "merge records": (unmerging.RECORDS, f"array[{ONE_ID}]::uuid[]", "merges_pkey"),
}


async def test_reading_uses_indexes_on_tables_never_analysed(database: str) -> None:
    connection = await asyncpg.connect(database)
    try:
        for (statement,) in await connection.fetch(NO_ANALYZE):
            await connection.execute(statement)
        await fill(connection, 1, 50_000)
        for name in ("jit", "enable_seqscan"):
            await connection.execute(f"set {name} = {SETTINGS[name]}")
        await prepare(connection, [sql for sql, _, _ in READ.values()])
        wrong = {
            name: bad
            for number, (name, (_, arguments, index)) in enumerate(READ.items())
            if (bad := complaints(await plan(connection, call(number, arguments)), index))
        }
    finally:
        await connection.close()
    assert wrong == {}, "\n".join(f"{name}: {bad}" for name, bad in wrong.items())


async def test_an_event_is_found_by_its_place_through_the_ranges_of_offsets(
    database: str,
) -> None:
    connection = await asyncpg.connect(database)
    try:
        await fill(connection, 1, 50_000)
        await connection.execute("set enable_seqscan = off")
        await prepare(connection, [reading_events.EVENTS_BY_PLACE])
        found = await plan(connection, call(0, PLACE))
    finally:
        await connection.close()
    used = {node.get("Index Name") for node in found if node["Node Type"] == "Bitmap Index Scan"}
    assert used
    assert all(str(name).endswith("_offset_idx") for name in used)
