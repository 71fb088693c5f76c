"""The contact subscribes to a topic, or unsubscribes from it."""

from __future__ import annotations

from typing import Annotated

from pydantic import PlainValidator

from handlers.decision import Emission, Fail, GoTo, Outcome, ProfileChange, Turn
from handlers.step import StepConfig, config_of, no_arms, unexpected
from state.audience import Subscription
from state.automation import DEFAULT_BRANCH
from state.name import parse_name

TYPE = "set_topic_subscription"
BRANCHES = (DEFAULT_BRANCH,)


class Config(StepConfig):
    """The topic by its id or key, and what the contact chooses.

    `emit` publishes what the step changes (rule S6).
    """

    topic_id: Annotated[str, PlainValidator(parse_name)]
    subscription: Subscription
    emit: bool = False


arms = no_arms


def enter(turn: Turn) -> Outcome:
    """Write the choice as the contact's own, so that a topic's new default does not change it.

    A topic that was deleted since the automation was published fails the step.
    """
    config = config_of(turn, Config)
    topic = turn.audiences.topic(config.topic_id)
    if topic is None:
        return Fail("topic_gone", f'there is no topic "{config.topic_id}" any more')
    is_subscribed = config.subscription == "opt_in"
    is_change = turn.contact.profile.topics.get(topic.key) is not is_subscribed
    event = "contact.subscribed" if is_subscribed else "contact.unsubscribed"
    return GoTo(
        output={"changed": is_change},
        input={"topic": topic.key, "subscription": config.subscription},
        change=ProfileChange(topics={topic.key: is_subscribed}),
        emits=Emission(event, {"topic": topic.key}) if config.emit and is_change else None,
    )


resume = unexpected
