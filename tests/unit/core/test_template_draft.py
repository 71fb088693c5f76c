"""Templates as their authors write them: what is taken, what is refused, what is published."""

from __future__ import annotations

import pytest

from state.template import TemplateError
from state.template_draft import (
    PARTS,
    DraftError,
    definition_of,
    drafted,
    parse_template_changes,
)
from state.template_variable import DECLARED_MAX, RESERVED, VariableError, parse_variables

WHOLE = {
    "name": "Welcome",
    "alias": "welcome",
    "from": "Ann <ann@x.io>",
    "subject": "Hi {{{NAME}}}",
    "reply_to": ["ben@x.io"],
    "html": "<p>{{{NAME}}}</p>",
    "text": None,
    "variables": [{"key": "NAME", "type": "string", "fallback_value": "friend"}],
    "unknown": 1,
}


def refused(raw: object, *, is_new: bool = True) -> dict[str, str]:
    with pytest.raises(DraftError) as caught:
        parse_template_changes(raw, is_new=is_new)
    return {each.field: each.text for each in caught.value.problems}


def unfit(*variables: object) -> str:
    with pytest.raises(VariableError) as caught:
        parse_variables(list(variables))
    return str(caught.value)


def test_what_is_written_is_taken_and_unknown_keys_are_ignored() -> None:
    changes = parse_template_changes(WHOLE, is_new=True)
    assert changes == {key: WHOLE[key] for key in changes} | {"reply_to": "ben@x.io"}
    assert WHOLE.keys() - changes.keys() == {"unknown"}
    draft = drafted({}, changes)
    assert list(draft) == [part for part in PARTS if part != "text"]
    assert draft["reply_to"] == "ben@x.io"


def test_a_change_leaves_what_it_does_not_name_and_null_clears() -> None:
    draft = drafted({}, parse_template_changes(WHOLE, is_new=True))
    changes = parse_template_changes({"subject": "New", "from": None, "text": "t"})
    after = drafted(draft, changes)
    assert "from" not in after
    assert (after["subject"], after["text"], after["html"]) == ("New", "t", WHOLE["html"])
    assert parse_template_changes({"alias": None}) == {"alias": None}
    assert parse_template_changes({}) == {}


def test_everything_that_is_wrong_is_said_at_once() -> None:
    found = refused(
        {
            "alias": "0b6a9a0e-2d4f-4a51-9d0f-0d6bd4a2d6a1",
            "subject": "a\nb",
            "html": "{{{NAME",
            "reply_to": ["a@x.io", "b@x.io"],
            "variables": {"NAME": "string"},
        }
    )
    assert found.keys() == {"name", "alias", "subject", "html", "reply_to", "variables"}
    assert "reads like an id" in found["alias"]
    assert "several addresses" in found["reply_to"]
    assert "at most 100" in refused({"name": "a", "alias": "a" * 101})["alias"]
    assert refused({"name": None}, is_new=False).keys() == {"name"}
    assert "must be an object" in refused(None)[""]


def test_a_draft_is_published_with_what_it_has() -> None:
    draft = drafted({}, parse_template_changes(WHOLE, is_new=True))
    assert definition_of(draft) == draft
    assert definition_of({"html": "x"}) == {"subject": "", "html": "x"}
    with pytest.raises(TemplateError) as caught:
        definition_of({"subject": "s"})
    assert caught.value.problems[0].field == "text"


def test_variables_have_a_key_a_type_and_perhaps_a_fallback() -> None:
    written = [
        {"key": "A", "type": "string", "fallback_value": ""},
        {"key": "b_2", "type": "number"},
        {"key": "C", "type": "boolean", "fallback_value": False},
        {"key": "D", "type": "object", "fallback_value": {"x": 1}},
        {"key": "E", "type": "list", "fallback_value": [1]},
    ]
    parsed = parse_variables(written)
    assert [one.document() for one in parsed] == [
        {"fallback_value": None, **one} for one in written
    ]
    assert parse_variables(None) == parse_variables([]) == ()


def test_a_variable_that_cannot_be_declared_is_refused_by_its_place() -> None:
    for key in RESERVED:
        assert "is reserved" in unfit({"key": key, "type": "string"})
    assert "[1].key" in unfit({"key": "A", "type": "string"}, {"key": "A", "type": "number"})
    assert "cannot be a key" in unfit({"key": "a-b", "type": "string"})
    assert "cannot be a key" in unfit({"key": "a" * 51, "type": "string"})
    assert "[0].type: is missing" in unfit({"key": "A"})
    assert 'did you mean "string"?' in unfit({"key": "A", "type": "strin"})
    misfit = unfit({"key": "A", "type": "number", "fallback_value": "1"})
    assert "[0].fallback_value" in misfit
    assert "is missing" in unfit({"type": "string"})
    assert "must be a variable" in unfit(None)
    many = [{"key": f"K{number}", "type": "string"} for number in range(DECLARED_MAX + 1)]
    assert "use at most 50" in unfit(*many)
