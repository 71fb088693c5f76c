"""What publishing an automation makes of the templates that are stored."""

from handlers.publishing.publish import parse_automation
from tests.drawings import MAIL, compiled, email, line, problem


def test_it_is_told_which_templates_were_taken_from_the_stored_ones():
    draft = parse_automation(line(email("m")), {"hello": MAIL, "unused": None})
    assert draft.stored_templates == {"hello"}
    assert not parse_automation(line(email("m"), templates={"hello": MAIL})).stored_templates


def test_a_template_brings_its_own_addresses_and_fallbacks():
    variable = {"key": "PLAN", "type": "string", "fallback_value": "free"}
    whole = MAIL | {"from": "a@x.io", "text": "{{{PLAN}}}", "variables": [variable]}
    template = compiled(line(email("m"), templates={"hello": whole})).templates["hello"]
    assert (template.headers, template.fallbacks) == ({"from": "a@x.io"}, {"PLAN": "free"})


def test_a_template_must_be_published():
    found = problem(line(email("m")), hello=None)
    assert (found.field, found.where) == ("config.template.id", 'step "m"')
    assert "is not published" in found.message
    assert parse_automation(line(email("m"), templates={"hello": MAIL}), {"hello": None})


def test_somebody_must_say_the_subject():
    mute = {"subject": "", "text": "Hello."}
    found = problem(line(email("m")), hello=mute)
    assert (found.field, found.fix[:3]) == ("config.subject", "add")
    raw = line(email("m"))
    raw["steps"][1]["config"]["subject"] = "Hi"
    assert parse_automation(raw, {"hello": mute})
