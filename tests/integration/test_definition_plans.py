"""What an API reads of definitions is found by indexes, on tables that were never analysed."""

from collections.abc import AsyncIterator

import asyncpg
import pytest

from state.postgres import (
    audiences_by_id,
    automations_by_id,
    contact_properties,
    event_definitions,
    template_drafts,
    templates,
)
from state.postgres.reading import SETTINGS
from tests.integration.test_plans import NO_ANALYZE, ONE_ID, complaints_of_all, prepare
from tests.stored import connected

FILL = """
create or replace function pg_temp.id(n bigint) returns uuid immutable language sql
  as $$ select ('00000000-0000-0000-0000-' || lpad(n::text, 12, '0'))::uuid $$;
create or replace temp view n as select n, now() - n * interval '1 second' as at
  from generate_series(1, 20000) as n;
insert into event_definitions select pg_temp.id(n), 'p' || n, '{}', at from n;
insert into templates (template_id, alias, kind, name, draft, created_at, updated_at)
  select pg_temp.id(n), 'p' || n, 'email', 'p' || n, '{}', at, at from n;
insert into contact_properties select pg_temp.id(n), 'p' || n, 'string', null, at from n;
insert into automations (automation_id, name, is_enabled, enabled_at, current_version, created_at,
  updated_at) select pg_temp.id(n), 'p' || n, n % 100 = 0, at, 1, at, at from n;
insert into segments select pg_temp.id(n), 'p' || n, at from n;
insert into subscription_topics select pg_temp.id(n), 'p' || n, 'p' || n, null, 'opt_in', at from n;
"""

FROM = f"20, '2027-01-01', {ONE_ID}"
STATEMENTS = {
    "event by id": (event_definitions.BY_ID, ONE_ID, "event_definitions_pkey"),
    "event by name": (event_definitions.BY_NAME, "'p7'", "event_definitions_name_key"),
    "schemas": (event_definitions.SCHEMAS, "array['p7', 'p9']", "event_definitions_name_key"),
    "events, older": (event_definitions.OLDER, FROM, "event_definitions_created_at"),
    "events, newer": (event_definitions.NEWER, FROM, "event_definitions_created_at"),
    "template by id": (template_drafts.BY_ID, ONE_ID, "templates_pkey"),
    "template by alias": (template_drafts.BY_ALIAS, "'p7'", "templates_alias"),
    "alias taken": (template_drafts.ALIAS_TAKEN, f"'p7', {ONE_ID}", "templates_alias"),
    "templates, older": (template_drafts.OLDER, FROM, "templates_created_at"),
    "templates, newer": (template_drafts.NEWER, FROM, "templates_created_at"),
    "templates by alias": (templates.NAMED, "'{}', array['p7', 'p9']", "templates_alias"),
    "automation": (automations_by_id.BY_ID, ONE_ID, "automations_pkey"),
    "names": (automations_by_id.NAMES_TAKEN, "array['p7', 'p9']", "automations_name"),
    "automations, older": (automations_by_id.OLDER, FROM, "automations_created_at"),
    "automations, newer": (automations_by_id.NEWER, FROM, "automations_created_at"),
    "enabled, older": (automations_by_id.OLDER_OF_STATUS, f"{FROM}, true", "automations_status"),
    "enabled, newer": (automations_by_id.NEWER_OF_STATUS, f"{FROM}, true", "automations_status"),
    "property by id": (contact_properties.BY_ID, ONE_ID, "contact_properties_pkey"),
    "property by key": (contact_properties.BY_KEY, "'p7'", "contact_properties_key_key"),
    "properties, older": (contact_properties.OLDER, FROM, "contact_properties_created_at"),
    "properties, newer": (contact_properties.NEWER, FROM, "contact_properties_created_at"),
    "segment": (audiences_by_id.SEGMENT, ONE_ID, "segments_pkey"),
    "segment by name": (audiences_by_id.SEGMENT_NAMED, "'p7'", "segments_name_key"),
    "segments, older": (audiences_by_id.OLDER_SEGMENTS, FROM, "segments_created_at"),
    "segments, newer": (audiences_by_id.NEWER_SEGMENTS, FROM, "segments_created_at"),
    "topic": (audiences_by_id.TOPIC, ONE_ID, "subscription_topics_pkey"),
    "topics, older": (audiences_by_id.OLDER_TOPICS, FROM, "subscription_topics_created_at"),
    "topics, newer": (audiences_by_id.NEWER_TOPICS, FROM, "subscription_topics_created_at"),
    "templates by id": (templates.NAMED, f"array[{ONE_ID}]::uuid[], '{{}}'", "templates_pkey"),
}


@pytest.fixture
async def cold(database: str) -> AsyncIterator[asyncpg.Connection]:
    """A reader's connection to tables that nobody ever analyses."""
    async with connected(database) as connection:
        for (statement,) in await connection.fetch(NO_ANALYZE):
            await connection.execute(statement)
        await connection.execute(FILL)
        await connection.execute(f"set enable_seqscan = {SETTINGS['enable_seqscan']}")
        yield connection


@pytest.mark.parametrize("plans", ["force_custom_plan", "force_generic_plan"])
async def test_definitions_are_found_by_their_indexes(cold: asyncpg.Connection, plans: str) -> None:
    await prepare(cold, [sql for sql, _, _ in STATEMENTS.values()])
    await cold.execute(f"set plan_cache_mode = {plans}")
    assert await complaints_of_all(cold, STATEMENTS) == {}
