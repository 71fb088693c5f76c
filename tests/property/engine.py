"""The engine in a scene, told a story in plain words, and what it says of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

from handlers.world import Rules as EngineRules
from state.run import Run as EngineRun, Waiting
from state.turn import Changes
from tests.kit import NOW, Scene, contact_event, event, rule, same, stored_version, way
from tests.property.plain import Automation, Said, Step, Verdict
from tests.property.stories import Moment, Story, batches

#: Two people; events name the second one in three ways.
PEOPLE = {
    "ann": [{"email": "ann@x.io"}],
    "bob": [{"email": "bob@x.io"}, {"external_id": "b"}, {"email": "bob@x.io", "external_id": "b"}],
}


def at(minute: int) -> datetime:
    return NOW + timedelta(minutes=minute)


def filtered(is_same: bool, key: str = "filter_rule") -> dict[str, object]:
    return {key: same("n")} if is_same else {}


def drawn_step(step: Step) -> dict[str, object]:
    if not step.arms:
        duration = f"{step.minutes} minutes"
        return {"key": step.key, "type": "delay", "config": {"duration": duration}}
    arms = [{"event_name": arm.name, **filtered(arm.same)} for arm in step.arms]
    config: dict[str, object] = dict(arms[0])
    if step.group == "any_of":
        branches = [arm.branch for arm in step.arms]
        pairs = zip(arms, branches, strict=True)
        config = {"any_of": [{**arm, "branch": branch} for arm, branch in pairs]}
    elif step.group == "all_of":
        config = {"all_of": arms}
    config["deliver"] = step.deliver
    if step.minutes is not None:
        config["timeout"] = f"{step.minutes} minutes"
    if step.since is not None:
        config["since"] = f"{step.since} minutes" if isinstance(step.since, int) else step.since
    return {"key": step.key, "type": "wait_for_event", "config": config}


def ways_of(steps_: Sequence[Step]) -> Iterator[dict[str, object]]:
    yield way("start", steps_[0].key)
    for step, following in pairwise(steps_):
        branches = dict.fromkeys(arm.branch for arm in step.arms) or {"default": None}
        if step.goes_on and step.arms:
            branches["timeout"] = None
        yield from (way(step.key, following.key, branch) for branch in branches)


def drawn(automation: Automation) -> dict[str, object]:
    only = {} if automation.only is None else {"filter_rule": rule("event.n", "eq", 1)}
    config = {"event_name": automation.trigger, **only}
    policies = {"after": f"after:{automation.after} minutes", "key": "key:event.n"}
    return {
        "name": automation.name,
        "reentry": policies.get(automation.policy, automation.policy),
        "exit": [
            {"event": name, **filtered(is_same, "filter")} for name, is_same in automation.exits
        ],
        "steps": [
            {"key": "start", "type": "trigger", "config": config},
            *(drawn_step(step) for step in automation.steps),
        ],
        "connections": list(ways_of(automation.steps)),
    }


class Engine:
    """The engine in a scene; what it says is told in the model's words."""

    def __init__(self, story: Story) -> None:
        self.rules = EngineRules(
            grace=timedelta(minutes=story.rules.grace),
            slack=timedelta(minutes=story.rules.slack),
            event_age_max=timedelta(minutes=story.rules.age_max),
        )
        versions = [
            stored_version(drawn(one), enabled_at=at(one.enabled_at), is_enabled=one.is_enabled)
            for one in story.automations
        ]
        self.names = {one.automation_id: one.name for one in versions}
        self.scene = Scene(*versions, rules=self.rules)
        since = self.scene.tables.interest_since
        since.update({name: at(minute) for name, minute in story.rules.interest.items()
                      if name in since})  # fmt: skip
        self.scene.decide(contact_event("identified", at(-200), **PEOPLE["bob"][2]))

    @property
    def interests(self) -> frozenset[str]:
        return frozenset(self.scene.tables.interest_since)

    def apply(self, moment: Moment) -> list[list[Verdict]]:
        """Apply a moment's events in its batches, then fire what is due."""
        self.scene.at(at(moment.now))
        told = []
        for batch in batches(moment):
            changes = self.scene.decide(*(self.event(one, moment.now) for one in batch))
            told += self.told(changes)
        self.scene.fire_due()
        return told

    def event(self, said: Said, now: int) -> Any:
        names = PEOPLE[said.who]
        payload = {} if said.n is None else {"n": said.n}
        return event(
            said.name,
            at(said.v),
            id=said.id,
            recorded_at=at(now),
            place=("t", 0, said.place),
            payload=payload,
            **names[said.place % len(names)],
        )

    def told(self, changes: Changes) -> Iterator[list[Verdict]]:
        triggers = {run.run_id: run.trigger.id for run in self.scene.runs}
        for record in changes.events:
            yield [
                (
                    finding.subject,
                    self.names[finding.automation_id],
                    None if finding.run_id is None else triggers[finding.run_id],
                    finding.step_key,
                    finding.verdict,
                )
                for finding in record.findings
            ]

    def runs(self) -> dict[tuple[str, str], object]:
        return {
            (self.names[run.automation_id], run.trigger.id): (run.reason, self.waits(run))
            for run in self.scene.runs
        }

    def waits(self, run: EngineRun) -> list[object]:
        closed = [
            (
                entry["step_key"],
                entry["status"],
                entry["outcome_branch"],
                None if entry["resumed_by_event"] is None else entry["resumed_by_event"]["id"],
                [arm["met_by"] and arm["met_by"]["id"] for arm in entry.get("arms", ())],
                self.late(run, entry),
            )
            for entry in self.scene.waits(run)
        ]
        parked = run.parked
        if not isinstance(parked, Waiting):
            return closed
        version = self.scene.tables.definitions
        arms = next(one for one in version if one.automation_id == run.automation_id)
        config = next(
            step["config"] for step in arms.definition["steps"] if step["key"] == parked.step_key
        )
        met = {one.place: one.id for one in parked.met}
        places = range(len(config.get("any_of") or config.get("all_of") or ()))
        late = parked.late and (parked.late.event_id, parked.late.verdict)
        shown = [met.get(place) for place in places]
        return [*closed, (parked.step_key, "waiting", None, None, shown, late)]

    def late(self, run: EngineRun, entry: dict[str, Any]) -> tuple[str, str] | None:
        found = self.scene.tables.late.get((run.run_id, entry["step_key"]))
        if entry["late_match"] is not None:
            return entry["late_match"]["event_id"], entry["late_match"]["verdict"]
        return None if found is None else (found.match.event_id, found.match.verdict)
