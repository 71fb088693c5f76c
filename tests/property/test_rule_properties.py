"""Whatever is written or arrives, the pure parts answer in their own words, or hold."""

from collections.abc import Callable, Mapping
from datetime import timedelta

from hypothesis import assume, given, settings, strategies as st

from handlers.evaluate import ABSENT, Scope, evaluate, resolve, substitute
from handlers.publishing.publish import AutomationError, parse_automation
from handlers.step import ConfigError
from handlers.steps import KINDS
from state.duration import DURATION_MAX, Duration, DurationError, parse_duration
from state.path import ROOTS, Var, parse_values
from state.problem import Problem, ProblemsError
from state.rule import OPERATORS, AllOf, AnyOf, Comparison, Rule, RuleError, parse_rule
from state.template import TemplateError, parse_template, render
from state.wall_clock import longest_in_days

#: For what takes long to draw.
few = settings(max_examples=30)

scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
keys = st.sampled_from(["a", "b", "a.b", "output", "properties", "x"]) | st.text(max_size=4)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3),
    max_leaves=8,
)
mappings = st.dictionaries(keys, values, max_size=4)
scopes = st.builds(
    Scope,
    event=st.none() | mappings,
    trigger=mappings,
    contact=mappings,
    steps=st.dictionaries(keys, mappings, max_size=3),
    wait_events=st.dictionaries(keys, mappings, max_size=3),
)
paths = st.builds(".".join, st.lists(st.sampled_from([*ROOTS, "a", "b", "output", ""]), max_size=6))
comparisons = st.builds(
    Comparison, paths, st.sampled_from(OPERATORS), values | st.builds(Var, paths)
)
rules: st.SearchStrategy[Rule] = st.recursive(
    comparisons,
    lambda inner: (
        st.builds(AllOf, st.lists(inner, min_size=1, max_size=3).map(tuple))
        | st.builds(AnyOf, st.lists(inner, min_size=1, max_size=3).map(tuple))
    ),
    max_leaves=6,
)
raw_rules = st.recursive(
    st.fixed_dictionaries(
        {},
        optional={
            "type": st.sampled_from(["rule", None]) | scalars,
            "field": paths | scalars,
            "operator": st.sampled_from(OPERATORS) | scalars,
            "value": values | st.fixed_dictionaries({"var": paths | scalars}),
        },
    ),
    lambda inner: st.fixed_dictionaries(
        {"type": st.sampled_from(["and", "or"]), "rules": st.lists(inner | scalars, max_size=3)}
    ),
    max_leaves=6,
)


def refusals(
    error: type[ProblemsError], parse: Callable[..., object], *given: object
) -> tuple[Problem, ...]:
    """Return the problems of a refusal, nothing if there was none; another exception fails."""
    try:
        parse(*given)
    except error as refusal:
        return _said(refusal.problems)
    return ()


def _said(problems: tuple[Problem, ...]) -> tuple[Problem, ...]:
    assert problems
    assert all(each.message for each in problems)
    return problems


@given(raw_rules | values)
def test_a_rule_is_parsed_or_refused_in_its_own_words(raw):
    assert all(
        each.field.startswith("filter") for each in refusals(RuleError, parse_rule, raw, "filter")
    )


@few
@given(rules, scopes)
def test_any_rule_is_judged_against_anything(rule, scope):
    """W1: an absent or mistyped field makes a filter false; nothing raises."""
    verdict = evaluate(rule, scope)
    assert isinstance(verdict.holds, bool)
    assert verdict.checks
    if isinstance(rule, Comparison) and verdict.absent:
        assert not verdict.holds


@few
@given(comparisons, comparisons, scopes)
def test_groups_mean_what_their_parts_mean(one, other, scope):
    first, second = evaluate(one, scope).holds, evaluate(other, scope).holds
    assert evaluate(AllOf((one, other)), scope).holds is (first and second)
    assert evaluate(AnyOf((one, other)), scope).holds is (first or second)


@few
@given(paths, scopes, values)
def test_opposites_never_both_hold(path, scope, value):
    for operator, opposite in [
        ("eq", "neq"),
        ("contains", "not_contains"),
        ("is_empty", "is_not_empty"),
    ]:
        held = [
            evaluate(Comparison(path, each, value), scope).holds for each in (operator, opposite)
        ]
        assert held != [True, True]


@few
@given(paths, scopes)
def test_a_variable_is_what_its_path_reads(path, scope):
    found = resolve(path, scope)
    expected = (None, [path]) if found is ABSENT else (found, [])
    replaced, absent = substitute(Var(path), scope)
    assert absent == expected[1]
    assert replaced is expected[0]


@few
@given(mappings)
def test_a_value_without_variables_stays_as_it_is(value):
    assume("'var'" not in repr(value))
    assert repr(substitute(parse_values(value), Scope())[0]) == repr(value)


@given(st.integers(1, 366 * 86_400), st.sampled_from(["second", "seconds"]))
def test_a_duration_in_words_and_in_iso_is_the_same(seconds, unit):
    """T1: exact durations, in words or ISO 8601."""
    exact = timedelta(seconds=seconds)
    hours, rest = divmod(seconds, 3600)
    minutes, left = divmod(rest, 60)
    assert parse_duration(f"{seconds} {unit}") == Duration(exact)
    assert parse_duration(f"PT{hours}H{minutes}M{left}S") == Duration(exact)


@given(
    st.text()
    | scalars
    | st.from_regex(r"P?T?-?[0-9]{0,12}[ A-Za-z]{0,9}(T[0-9]H)?", fullmatch=True)
)
def test_a_duration_is_within_limits_or_refused(text):
    """T1: <= 0 or > 366 days: refused."""
    if not refusals(DurationError, parse_duration, text):
        span = parse_duration(text)
        longest = timedelta(days=longest_in_days(span.months) + span.days) + span.exact
        assert timedelta(0) < longest <= DURATION_MAX


texts = st.builds(
    "".join,
    st.lists(st.sampled_from(["{{{", "}}}", "{", "A", "|", "contact.email", " x "]) | st.text()),
)


@few
@given(
    st.fixed_dictionaries(
        {"text": texts}, optional={"subject": texts, "title": texts, "html": texts}
    ),
    st.dictionaries(st.sampled_from(["A", "contact.email", "x"]), values),
)
def test_a_template_is_filled_or_refused_in_its_own_words(raw, variables):
    def fill() -> Mapping[str, str]:
        return render(parse_template(raw), variables)

    if not refusals(TemplateError, fill):
        assert fill().keys() == raw.keys()
        assert not set("\r\n") & set(fill().get("subject", ""))


@given(st.text())
def test_text_without_gaps_comes_out_as_it_went_in(text):
    plain = text.replace("{{{", "")
    assert render(parse_template({"subject": "s", "text": plain}), {})["text"] == plain


@given(st.sampled_from(sorted(KINDS)), values | mappings | raw_rules)
def test_a_configuration_is_parsed_or_refused_in_its_own_words(kind, raw):
    refusals(ConfigError, KINDS[kind].parse, raw)


steps = st.fixed_dictionaries(
    {},
    optional={
        "key": st.sampled_from(["a", "b", "c"]) | scalars,
        "type": st.sampled_from(sorted(KINDS)) | scalars,
        "config": mappings | raw_rules | st.just({"event_name": "e", "duration": "1 hour"}),
    },
)
ways = st.fixed_dictionaries(
    {},
    optional={
        "from": st.sampled_from(["a", "b", "c"]) | scalars,
        "to": st.sampled_from(["a", "b", "c"]) | scalars,
        "type": st.sampled_from(["default", "timeout"]) | scalars,
    },
)
files = st.fixed_dictionaries(
    {},
    optional={
        "name": st.just("A") | values,
        "status": values,
        "reentry": st.sampled_from(["once", "after:1 day", "key:event.a"]) | values,
        "exit": st.lists(mappings | st.fixed_dictionaries({"event": values, "filter": raw_rules})),
        "steps": st.lists(steps | scalars, max_size=5) | values,
        "connections": st.lists(ways | scalars, max_size=5) | values,
        "templates": mappings,
    },
)


@few
@given(files | values)
def test_a_file_is_published_or_refused_in_its_own_words(raw):
    assert all(each.where for each in refusals(AutomationError, parse_automation, raw))
