"""What the simulated store remembers of segments, topics and suppressed addresses."""

from __future__ import annotations

from dataclasses import dataclass, field
from uuid import UUID

from state.audience import Audiences, Choice, Membership
from state.contact import Contact
from state.effect import Effect, Standing
from state.turn import Changes, Emitted, Suppression


@dataclass(slots=True)
class AudienceTables:
    audiences: Audiences = field(default_factory=Audiences)
    members: dict[tuple[UUID, int], Membership] = field(default_factory=dict)
    choices: dict[tuple[str, int], Choice] = field(default_factory=dict)
    suppressed: dict[str, Suppression] = field(default_factory=dict)
    emitted: list[Emitted] = field(default_factory=list)

    def standing_of(self, effect: Effect, contact: Contact | None) -> Standing:
        """Return how an effect's contact stands now; None: it is gone (rule F4)."""
        if contact is None:
            return Standing(is_deleted=True)
        topic = None if effect.topic is None else self.audiences.topic(effect.topic)
        default = None if topic is None else topic.default == "opt_in"
        return Standing(
            is_suppressed=effect.channel == "email" and effect.message["to"] in self.suppressed,
            is_unsubscribed=contact.profile.is_unsubscribed,
            is_subscribed=contact.profile.topics.get(effect.topic or "", default),
        )

    def write_audiences(self, changes: Changes, effects: dict[UUID, Effect]) -> None:
        """Write a turn's memberships and choices, what it suppressed, and what it emitted."""
        for key, member in changes.memberships.items():
            self.members[key] = member
            if not member.is_member:
                del self.members[key]
        for name, choice in changes.choices.items():
            self.choices[name] = choice
            if choice.is_subscribed is None:
                del self.choices[name]
        for one in changes.suppressions:
            effect = None if one.message_id is None else effects.get(one.message_id)
            is_email = effect is not None and effect.channel == "email"
            address = str(effect.message["to"]) if effect and is_email else one.address
            if address is not None:
                self.suppressed.setdefault(address, one)
        self.emitted += changes.emitted
