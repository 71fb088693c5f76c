"""Templates: gaps are filled, escaped where they must be, and never left open."""

import pytest

from state.problem import Problem
from state.template import (
    SIZE_MAX,
    MissingVariableError,
    OversizeError,
    TemplateError,
    parse_template,
    render,
)


def filled(text: str, **variables: object) -> str:
    return render(parse_template({"subject": "s", "text": text}), variables)["text"]


def problems(raw: object) -> tuple[Problem, ...]:
    with pytest.raises(TemplateError) as caught:
        parse_template(raw, "templates.a")
    return caught.value.problems


def test_a_gap_is_filled_with_its_variable_or_else_its_fallback():
    assert filled("Hi {{{NAME}}}!", NAME="Ann") == "Hi Ann!"
    assert filled("Hi {{{ NAME | friend }}}!", NAME="Ann") == "Hi Ann!"
    assert filled("Hi {{{NAME|friend}}}!") == "Hi friend!"
    assert filled("Hi{{{NAME|}}}!") == "Hi!"


def test_null_counts_as_missing():
    assert filled("Hi {{{NAME|friend}}}", NAME=None) == "Hi friend"


def test_a_missing_value_without_fallback_is_an_error_that_names_it():
    with pytest.raises(MissingVariableError) as caught:
        filled("{{{A}}} {{{B}}} {{{C|c}}}", A=None)
    assert [problem.field for problem in caught.value.problems] == ["A", "B"]
    assert caught.value.code == "template_variable_missing"


def test_a_declared_fallback_fills_a_gap_that_has_none_of_its_own():
    declared = [
        {"key": "PLAN", "type": "string", "fallback_value": "<free>"},
        {"key": "SEATS", "type": "list", "fallback_value": [1, 2]},
        {"key": "NAME", "type": "string", "fallback_value": None},
    ]
    text = "{{{PLAN}}} {{{PLAN|none}}} {{{SEATS}}} {{{NAME}}}"
    raw = {"subject": "{{{PLAN}}}", "html": text, "variables": declared}
    template = parse_template(raw)
    assert template.needed == {"NAME"}
    filled = render(template, {"NAME": "Ann", "PLAN": None})
    assert filled == {"subject": "<free>", "html": "&lt;free&gt; none [1,2] Ann"}
    assert render(template, {"NAME": "Ann", "PLAN": "pro"})["subject"] == "pro"
    with pytest.raises(MissingVariableError):
        render(template, {})


def test_an_email_may_say_whom_it_is_from():
    addresses = {"from": "Ann <ann@x.io>", "reply_to": "ben@x.io"}
    assert parse_template({"subject": "s", "text": "t", **addresses}).headers == addresses
    assert parse_template({"subject": "s", "text": "t", "from": None}).headers == {}
    (found,) = problems({"title": "s", "text": "t", "from": "ann@x.io"})
    assert found.field == "templates.a.from"


def test_a_gap_may_name_a_field_of_the_contact():
    template = parse_template({"title": "Hi {{{contact.first_name|friend}}}", "text": "x"})
    assert template.names == {"contact.first_name"}
    assert render(template, {"contact.first_name": "Ann"})["title"] == "Hi Ann"
    assert render(template, {})["title"] == "Hi friend"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (30, "30"),
        (2.5, "2.5"),
        (True, "true"),
        (["a", 1], '["a",1]'),
        ({"ü": None}, '{"ü":null}'),
        ("", ""),
    ],
)
def test_a_value_that_is_no_text_appears_as_compact_json(value, text):
    assert filled("{{{X}}}", X=value) == text


def test_values_are_escaped_in_html_and_only_there():
    raw = {"subject": "{{{X}}}", "text": "{{{X}}}", "html": "<p>{{{X}}} {{{Y|<br>}}}</p>"}
    assert render(parse_template(raw), {"X": '<b a="1">&'}) == {
        "subject": '<b a="1">&',
        "text": '<b a="1">&',
        "html": "<p>&lt;b a=&quot;1&quot;&gt;&amp; <br></p>",
    }


def test_a_value_cannot_add_a_header_to_a_subject():
    template = parse_template({"subject": "Hi {{{X}}}", "text": "t"})
    assert render(template, {"X": "a\r\nBcc: b@x.io"})["subject"] == "Hi a Bcc: b@x.io"
    assert problems({"subject": "a\nb", "text": "t"})[0].field == "templates.a.subject"


def test_a_value_is_never_read_as_a_template():
    assert filled("{{{A}}}", A="{{{B}}}") == "{{{B}}}"


def test_other_braces_are_text():
    assert filled("{a} {{b}} {{{{X}}}}", X=1) == "{a} {{b}} {1}"


@pytest.mark.parametrize(
    "text", ["{{{", "{{{A", "{{{}}}", "{{{a b}}}", "{{{9}}}", "{{{contact.x}}}", "{{{A{B}}}"]
)
def test_a_misspelt_gap_is_refused(text):
    (problem,) = problems({"subject": "s", "text": text})
    assert problem.field == "templates.a.text"


def test_what_is_missing_or_too_much_is_named():
    assert [problem.field for problem in problems({"txt": "a"})] == [
        "templates.a.txt",
        "templates.a.subject",
        "templates.a.text",
    ]
    assert [problem.field for problem in problems({"title": "a"})] == ["templates.a.text"]
    assert [problem.field for problem in problems({"title": "a", "text": "b", "html": "c"})] == [
        "templates.a.html"
    ]
    assert problems("text")[0].field == "templates.a"


def test_an_email_needs_a_text_or_html():
    assert parse_template({"subject": "s", "html": "h", "text": None}).channel == "email"
    assert parse_template({"title": "s", "text": "h"}).channel == "push"


def test_a_template_names_at_most_50_variables():
    def text(count: int) -> str:
        return "".join(f"{{{{{{A{number}}}}}}}" * 2 for number in range(count))

    assert parse_template({"subject": "s", "text": text(50)})
    assert "50" in problems({"subject": "s", "text": text(51)})[0].fix


def test_a_message_is_at_most_a_mebibyte():
    assert filled("{{{X}}}", X="a" * (SIZE_MAX - 1))
    with pytest.raises(OversizeError):
        filled("{{{X}}}" * 9000, X="ä" * 60_000)
    assert problems({"subject": "s", "text": "a" * (SIZE_MAX + 1)})
