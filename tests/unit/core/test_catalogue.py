"""From published definitions to what a turn decides with."""

from uuid import UUID

import pytest
from msgspec.structs import replace

from handlers.publishing.catalogue import compile_catalogue, compile_version
from handlers.publishing.publish import parse_automation
from state.automation import StoredVersion
from state.problem import ProblemsError
from tests.drawings import TRIGGER
from tests.turns import NOW


def stored(number: int, automation: int, event: str = "a", **state: object) -> StoredVersion:
    trigger = {**TRIGGER, "config": {"event_name": event}}
    draft = parse_automation({"name": f"A{automation}", "steps": [trigger]})
    state = {"is_current": True, "is_enabled": True, "enabled_at": NOW, **state}
    return StoredVersion(UUID(int=automation), draft.name, number, draft.definition, **state)


def test_a_catalogue_lists_what_an_event_may_start_by_automation_id():
    """D2: starts, by automation id. S1: as read in the batch's transaction."""
    rows = [
        stored(1, 3),
        stored(1, 1, is_enabled=False, enabled_at=None),
        stored(1, 2, is_current=False),
        stored(2, 2, "b"),
    ]
    catalogue = compile_catalogue(9, rows, {"a": NOW})
    started = {name: [each.name for each in listed] for name, listed in catalogue.starts.items()}
    assert started == {"a": ["A1", "A3"], "b": ["A2"]}
    assert catalogue.revision == 9
    assert catalogue.interest_since == {"a": NOW}
    assert catalogue.automations[UUID(int=2)].current.number == 2
    assert not catalogue.automations[UUID(int=1)].is_enabled
    assert len(catalogue.versions) == 4


def test_versions_that_are_known_are_not_compiled_again():
    """R3: published versions are immutable."""
    rows = [stored(1, 1)]
    first = compile_catalogue(1, rows, {})
    second = compile_catalogue(2, [*rows, stored(1, 2)], {}, first.versions)
    key = (UUID(int=1), 1)
    assert second.versions[key] is first.versions[key]
    assert len(second.versions) == 2


def test_a_version_goes_by_the_name_that_its_automation_has_now():
    before = compile_catalogue(1, [stored(1, 1)], {}).versions
    renamed = replace(stored(1, 1), name="New")
    (version,) = compile_catalogue(2, [renamed], {}, before).versions.values()
    assert version.automation_name == "New"


def test_a_definition_that_this_code_does_not_understand_fails_loudly():
    with pytest.raises(ProblemsError, match="no_such_step"):
        compile_version(UUID(int=1), "A", 1, {"steps": [{"key": "a", "type": "no_such_step"}]})
