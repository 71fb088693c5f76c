"""Segments and topics in automation files: declared, referred to, refused with the nearest name."""

from uuid import UUID

import pytest

from handlers.publishing.publish import AutomationError, parse_automation
from state.audience import Audiences, Segment, Topic
from tests.kit import Document, email, line

VIP, NEWS = Segment(UUID(int=1), "VIP"), Topic(UUID(int=5), "newsletter", "opt_in")
KNOWN = Audiences.of([VIP], [NEWS])


def add(segment: str) -> Document:
    return {"key": "add", "type": "add_to_segment", "config": {"segment_id": segment}}


def choose(topic: str) -> Document:
    config = {"topic_id": topic, "subscription": "opt_in"}
    return {"key": "choose", "type": "set_topic_subscription", "config": config}


def about(topic: str) -> Document:
    step = email("m")
    return {**step, "config": {**step["config"], "topic_id": topic}}


def refusal(document: Document) -> str:
    with pytest.raises(AutomationError) as refused:
        parse_automation(document, None, KNOWN)
    (problem,) = refused.value.problems
    return problem.text


@pytest.mark.parametrize("named", ["VIP", str(VIP.segment_id)])
def test_a_segment_that_is_there_may_be_named_or_given_by_its_id(named):
    """F1: by either, and the definition keeps it as it was written."""
    draft = parse_automation(line(add(named)), None, KNOWN)
    assert draft.definition["steps"][1]["config"] == {"segment_id": named}
    assert "segments" not in draft.definition


@pytest.mark.parametrize("step", [choose, about])
@pytest.mark.parametrize("named", ["newsletter", str(NEWS.topic_id)])
def test_a_topic_that_is_there_may_be_named_or_given_by_its_id(step, named):
    """F1, F4: a send step's topic and a subscription step's."""
    assert parse_automation(line(step(named)), None, KNOWN)


@pytest.mark.parametrize(
    ("step", "where", "near"),
    [
        (add("VPI"), 'step "add", config.segment_id: there is no segment "VPI"', "VIP"),
        (choose("newsleter"), 'step "choose", config.topic_id: there is no topic', "newsletter"),
        (about("newsleter"), 'step "m", config.topic_id: there is no topic', "newsletter"),
    ],
)
def test_one_that_is_not_there_is_refused_with_the_nearest(step, where, near):
    """F1: a slip of the pen is found at publish, not when the first run comes to it."""
    said = refusal(line(step))
    assert said.startswith(where)
    assert f'did you mean "{near}"?' in said
    assert "declare it under" in said


def test_a_file_declares_what_it_uses():
    """F1: what it declares is made when it is applied."""
    document = line(
        add("New"), choose("digest"), segments=["New"], topics={"digest": None, "x": {"name": "X"}}
    )
    definition = parse_automation(document).definition
    assert definition["segments"] == ["New"]
    assert definition["topics"]["digest"] == {
        "name": "digest",
        "description": None,
        "default_subscription": "opt_in",
    }
    assert parse_automation(definition).definition == definition


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"segments": "VIP"}, "segments: must be a list of names"),
        ({"segments": [""]}, "segments[0]: is empty"),
        ({"topics": ["x"]}, "topics: must be an object"),
        ({"topics": {"x": "y"}}, "topics.x: must be an object"),
        ({"topics": {"x": {"default": "opt_in"}}}, "topics.x.default: is not a key of a topic"),
        ({"topics": {"x": {"default_subscription": "in"}}}, '"in" is no subscription'),
        ({"topics": {"newsletter": {"default_subscription": "opt_out"}}}, "the default opt_in"),
    ],
)
def test_what_cannot_be_declared(more, said):
    assert said in refusal(line(add("VIP"), **more))


@pytest.mark.parametrize(
    ("config", "field"),
    [
        ({"category": "spam"}, "config.category"),
        ({"topic_id": 7}, "config.topic_id"),
        ({"categry": "marketing"}, "config.categry"),
    ],
)
def test_a_send_steps_category_and_topic_are_checked(config, field):
    """F4: marketing or transactional."""
    step = email("m")
    assert field in refusal(line({**step, "config": {**step["config"], **config}}))
