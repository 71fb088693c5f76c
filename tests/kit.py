"""Events, automations and a small world to hold them against: the pure core, told as stories.

A `Scene` decides one turn after the other by `decide` and keeps what each one changed, in tables
made of dicts; no store, no loop, no clock.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from uuid import NAMESPACE_URL, UUID, uuid5

from msgspec.structs import replace

from handlers.claims import claims_for
from handlers.decide import Input, Needs, decide
from handlers.directory import Directory, FreshContactIds
from handlers.intake import is_applied, named_in
from handlers.publishing.catalogue import compile_catalogue
from handlers.publishing.publish import parse_automation
from handlers.retry import Retry
from handlers.timer import TimerDue
from handlers.unmerge import UndoMerge
from handlers.world import Rules, StoredEvents, World
from state.automation import StoredVersion
from state.effect import Answer, Settlement
from state.event import KINDS, Coordinates, Event, Identifier
from state.identifier import normalise
from state.pausing import Mode
from state.run import Run
from state.turn import Changes, LockRequest, Need, PartitionState
from tests.simulation.histories import history
from tests.simulation.tables import Partition, PartitionRow, Tables

NOW = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)
START = NOW - timedelta(days=30)
#: No grace and no slack, so that a test's own instants decide.
PLAIN = Rules(grace=timedelta(0), slack=timedelta(0))

Document = Mapping[str, object]


def ago(**span: float) -> datetime:
    return NOW - timedelta(**span)


def ahead(**span: float) -> datetime:
    return NOW + timedelta(**span)


# --- events ---------------------------------------------------------------------------------------


def event(
    name: str,
    at: datetime | None = NOW,
    *,
    id: str = "",  # noqa: A002 - as producers call it
    recorded_at: datetime | None = None,
    place: tuple[str, int, int] | None = None,
    contact_event: bool = False,
    payload: Document | None = None,
    **identifiers: str,
) -> Event:
    """Return an event that happened at `at` (None: it does not say) and was recorded just then."""
    said = identifiers or {"email": "ann@x.io"}
    body = dict(payload or {})
    recorded = recorded_at or at or NOW
    event_id = id or f"{name}@{recorded.isoformat()}{sorted(said.items())}{sorted(body.items())}"
    named = tuple(Identifier(kind, normalise(kind, said[kind])) for kind in KINDS if said.get(kind))
    offset = uuid5(NAMESPACE_URL, event_id).int % 10_000_000
    return Event(
        key=uuid5(NAMESPACE_URL, f"key:{event_id}"),
        source="test",
        id=event_id,
        name=name,
        occurred_at=at or recorded,
        recorded_at=recorded,
        coordinates=Coordinates(*(place or ("waitline.events", 0, offset))),
        identifiers=named,
        payload=body,
        payload_text=str(body),
        body_hash=uuid5(NAMESPACE_URL, f"{name}{at}{named}{sorted(body.items())}"),
        claims_time=at is not None,
        is_contact_event=contact_event,
    )


def contact_event(verb: str, at: datetime = NOW, **more: object) -> Event:
    return event(f"contact.{verb}", at, contact_event=True, **more)


# --- automations ----------------------------------------------------------------------------------

TEMPLATES = {
    "mail": {"subject": "Hello {{{NAME|friend}}}", "text": "Hi."},
    "other": {"subject": "Other", "text": "Ho."},
    "push": {"title": "Psst", "text": "Look."},
}


def trigger(name: str = "go", **config: object) -> Document:
    return {"key": "start", "type": "trigger", "config": {"event_name": name, **config}}


def wait(key: str, name: str, **config: object) -> Document:
    return {"key": key, "type": "wait_for_event", "config": {"event_name": name, **config}}


def arms(key: str, group: str, *listed: Document, **config: object) -> Document:
    """Return a wait for several events; `group` is `any_of` or `all_of`."""
    return {"key": key, "type": "wait_for_event", "config": {group: list(listed), **config}}


def arm(name: str, **more: object) -> Document:
    return {"event_name": name, **more}


def delay(key: str, duration: str) -> Document:
    return {"key": key, "type": "delay", "config": {"duration": duration}}


def email(key: str, template: str = "mail", **variables: object) -> Document:
    config = {"template": {"id": template, "variables": variables}}
    return {"key": key, "type": "send_email", "config": config}


def push(key: str) -> Document:
    return {"key": key, "type": "send_push", "config": {"template": {"id": "push"}}}


def condition(key: str, **rule: object) -> Document:
    return {"key": key, "type": "condition", "config": rule}


def update(key: str, **config: object) -> Document:
    return {"key": key, "type": "contact_update", "config": config}


def way(source: str, target: str, branch: str = "default") -> Document:
    return {"from": source, "to": target, "type": branch}


def rule(field: str, operator: str, value: object = None) -> Document:
    return {"field": field, "operator": operator, "value": value}


def same(field: str) -> Document:
    """Return the rule that a field of the arriving event equals the trigger's."""
    return rule(f"event.{field}", "eq", {"var": f"trigger.{field}"})


def line(*steps: Document, name: str = "A", on: Document | None = None, **more: object) -> Document:
    """Return an automation of steps in a row; after a wait or a condition comes its first branch.

    `aside` among `more` are further steps, `ways` the connections that lead to them.
    """
    first = {"wait_for_event": "event_received", "condition": "condition_met"}
    all_steps = [on or trigger(), *steps]
    ways = [
        way(str(a["key"]), str(b["key"]), first.get(str(a["type"]), "default"))
        for a, b in pairwise(all_steps)
    ]
    document = {
        "name": name,
        "steps": [*all_steps, *more.pop("aside", ())],
        "connections": [*ways, *more.pop("ways", ())],
        "templates": TEMPLATES,
        **more,
    }
    return deepcopy(document)


def stored_version(
    document: Document,
    *,
    number: int = 1,
    enabled_at: datetime | None = START,
    is_enabled: bool = True,
    is_current: bool = True,
) -> StoredVersion:
    draft = parse_automation(document)
    return StoredVersion(
        automation_id=automation_id(draft.name),
        name=draft.name,
        number=number,
        definition=draft.definition,
        is_current=is_current,
        is_enabled=is_enabled and draft.is_enabled,
        enabled_at=enabled_at,
    )


def automation_id(name: str = "A") -> UUID:
    return uuid5(NAMESPACE_URL, f"automation:{name}")


# --- scenes ---------------------------------------------------------------------------------------


class Scene:
    """A world that lives on from turn to turn. `now` is the test's to move."""

    def __init__(
        self,
        *automations: Document | StoredVersion,
        now: datetime = NOW,
        rules: Rules = PLAIN,
        interest_since: datetime = START,
    ) -> None:
        self.now = now
        self.rules = rules
        self.tables = Tables()
        #: The look-backs that the last turn asked for, round by round.
        self.asked: list[Sequence[Need]] = []
        self.publish_automations(*automations, since=interest_since)
        self.consumed_to(datetime.max.replace(tzinfo=UTC))

    def publish_automations(
        self, *automations: Document | StoredVersion, since: datetime = START
    ) -> None:
        """Make these all the automations there are; names already of interest stay so."""
        tables = self.tables
        tables.definitions = [
            each if isinstance(each, StoredVersion) else stored_version(each)
            for each in automations
        ]
        tables.revision += 1
        for version in compile_catalogue(0, tables.definitions, {}).versions.values():
            for name in version.names:
                tables.interest_since.setdefault(name, since)

    def pause(self, mode: Mode | None, name: str | None = None) -> None:
        """Hold or freeze an automation, or all there are, or (None) release them (rule T3)."""
        tables, now = self.tables, self.now
        tables.revision += 1
        for at, one in enumerate(tables.definitions):
            if name in (None, one.name):
                was = one.pausing
                pausing = was.begun(mode, now) if mode else was.ended(now)
                tables.definitions[at] = replace(one, pausing=pausing)

    def consumed_to(self, low: datetime | None, partition: Partition = ("t", 0)) -> None:
        """Say up to which instant a partition has been consumed (rule W4)."""
        self.tables.partitions[partition] = PartitionRow(
            low=low, owner="w", seen_at=self.now, resumed_since=START, advanced_at=START
        )

    def partitions(self, *states: PartitionState) -> None:
        self.tables.partitions = {
            state[:2]: PartitionRow(
                low=state.low,
                owner="w" if state.resumed_since else None,
                seen_at=self.now,
                resumed_since=state.resumed_since,
                advanced_at=state.advanced_at,
            )
            for state in states
        }

    def decide(self, *inputs: Input) -> Changes:
        """Decide one turn and keep what it changed."""
        tables = self.tables
        catalogue = compile_catalogue(
            tables.revision, tables.definitions, dict(tables.interest_since)
        )
        catalogue = replace(catalogue, audiences=tables.audiences)
        events = [
            each for each in inputs if isinstance(each, Event) and is_applied(each, catalogue)
        ]
        inputs = tuple(each for each in inputs if not isinstance(each, Event) or each in events)
        named = dict.fromkeys(name for each in events for name in named_in(each))
        owners = tables.resolve(list(named))
        numbers = range(tables.last_contact_id + 1, tables.last_contact_id + 1000)
        tables.last_contact_id += 2000
        claims = claims_for(events, catalogue, owners, FreshContactIds(numbers))
        contact_ids = set(owners.values())
        asked = {each.contact_id for each in inputs if not isinstance(each, Event)}
        survivors = {one: tables.merged[one] for one in asked if one in tables.merged}
        contact_ids.update(survivors.get(one, one) for one in asked)
        undone = [each for each in inputs if isinstance(each, UndoMerge)]
        contact_ids.update(each.merged for each in undone)
        request = LockRequest(
            sorted(contact_ids),
            event_keys=[each.key for each in events],
            reads_watermark=True,
            finished=[each.run_id for each in inputs if isinstance(each, Retry)],
            undoing=[each.merge_id for each in undone],
        )
        named = {claim.identifier: tables.erased.get(claim.identifier) for claim in claims}
        snapshot = replace(
            tables.snapshot(request, self.now, owners),
            survivors=survivors,
            erased={name: before for name, before in named.items() if before is not None},
        )
        stored = StoredEvents()
        self.asked = []
        while True:
            changes = Changes(now=self.now)
            spare = FreshContactIds(range(numbers[-1] + 1, numbers[-1] + 1000))
            reserved = {claim.identifier: claim for claim in claims}
            world = World(
                snapshot=snapshot,
                catalogue=catalogue,
                rules=self.rules,
                stored=stored,
                people=Directory(snapshot, reserved, spare, changes),
                changes=changes,
            )
            outcome = decide(world, inputs)
            if isinstance(outcome, Needs):
                assert outcome.look_backs
                self.asked.append(outcome.look_backs)
                stored.add(outcome.look_backs, tables.look_back(outcome.look_backs))
                continue
            tables.write(outcome, claims)
            return outcome

    def at(self, now: datetime) -> Scene:
        self.now = now
        return self

    def fire_due(self) -> Changes:
        """Hand every due timer to the core, whatever lag says."""
        due = self.tables.due(self.now, 1000, include_held=True)
        return self.decide(*(TimerDue(*each) for each in due))

    def settle(self, settlement: Settlement = "sent", **why: str) -> Changes:
        """Answer every effect of the outbox."""
        answers = [
            Answer(row.effect.effect_id, row.effect.run_id, row.effect.contact_id, settlement, 1)
            for row in self.tables.outbox.values()
        ]
        return self.decide(*(replace(answer, **why) for answer in answers))

    # --- what came of it --------------------------------------------------------------------------

    @property
    def runs(self) -> list[Run]:
        """Every run there is or was, the oldest first."""
        runs = [*self.tables.runs.values(), *self.tables.done.values()]
        return sorted(runs, key=lambda run: (run.created_at, run.trigger.v, str(run.run_id)))

    @property
    def run(self) -> Run:
        runs = self.runs
        assert len(runs) == 1, runs
        return runs[0]

    def waits(self, run: Run | None = None) -> list[dict[str, object]]:
        """Return the closed waits of a run, as its history has them."""
        return [entry["wait"] for entry in history(run or self.run) if "wait" in entry]

    def steps(self, run: Run | None = None) -> list[dict[str, object]]:
        return [entry["step"] for entry in history(run or self.run) if "step" in entry]

    def path(self, run: Run | None = None) -> list[str]:
        return [str(step["key"]) for step in self.steps(run)]

    def contact(self, value: str, kind: str = "email") -> int:
        return self.tables.owners[Identifier(kind, value)]


def verdicts(changes: Changes, which: int = -1, subject: str | None = None) -> list[str]:
    """Return the verdicts on one event of a turn, the last one if nothing else is said."""
    return [
        finding.verdict
        for finding in changes.events[which].findings
        if subject in (None, finding.subject)
    ]


def effects(changes: Changes) -> list[str]:
    return [effect.step_key for effect in changes.effects]


def quarantined(changes: Changes) -> list[str]:
    return [each.rejected.reason for each in changes.quarantined]


def drawn(
    low: datetime | None,
    *,
    number: int = 0,
    resumed_since: datetime | None = START,
    advanced_at: datetime | None = START,
) -> PartitionState:
    """Return how far a partition is."""
    return PartitionState("t", number, low, resumed_since, advanced_at)
