"""The rules of waits and starts once more, as plainly as they can be said: one event at a time.

No batches, no locks, no store; instants are minutes. Where it and the engine differ, one is wrong.
"""

from __future__ import annotations

from collections.abc import Sequence

from tests.property.plain import Automation, Rules, Run, Said, Verdict, Wait

LATE_KEPT = 24 * 60


class Naive:
    """A world of these automations."""

    def __init__(self, automations: Sequence[Automation], rules: Rules) -> None:
        self.automations, self.rules = automations, rules
        self.stored: list[Said] = []
        self.runs: list[Run] = []

    def active(self, who: str) -> list[Run]:
        active = [run for run in self.runs if (run.trigger.who, run.reason) == (who, None)]
        return sorted(active, key=lambda run: run.entered)

    def apply(self, event: Said, now: int) -> list[Verdict]:
        """D2: exits, open waits, late arrivals, starts."""
        told = [*self.exits(event), *self.resume(event, now), *self.lateness(event, now)]
        starts = [one for one in self.automations if one.trigger == event.name]
        told += [self.start(automation, event, now) for automation in starts]
        self.stored.append(event)
        return told

    def exits(self, event: Said) -> list[Verdict]:
        told = []
        for run in self.active(event.who):
            for _, is_same in self.exit_rules(run, event):
                verdict = "filter_false" if is_same and not run.is_like(event) else "exited"
                told.append(("exit", run.automation.name, run.trigger.id, None, verdict))
                if verdict == "exited":
                    run.reason = "exited_rule"
                    if isinstance(run.parked, Wait):
                        run.parked.status = "cancelled"
                    break
        return told

    def exit_rules(self, run: Run, event: Said) -> list[tuple[str, bool]]:
        if event.id == run.trigger.id or event.v < run.trigger.v:
            return []
        return [rule for rule in run.automation.exits if rule[0] == event.name]

    def resume(self, event: Said, now: int) -> list[Verdict]:
        told, matching = [], []
        for run in self.active(event.who):
            wait = run.parked
            if not isinstance(wait, Wait) or not wait.is_named_by(event):
                continue
            verdict, place = self.judge(run, wait, event)
            if place is not None:
                matching.append((run, wait, place, verdict))
            elif verdict != "used":
                told.append(say(run, wait, verdict))
            if verdict == "after_deadline" and wait.late is None:
                wait.late = (event.id, verdict)
        for run, wait, place, verdict in matching:  # W6
            step = (run.automation, wait.step)
            line = [each[1] for each in matching if (each[0].automation, each[1].step) == step]
            gets = {"all": wait, "oldest": line[0], "newest": line[-1]}[wait.step.deliver]
            told.append(say(run, wait, verdict if gets is wait else "not_delivered"))
            if gets is wait:
                self.meet(run, wait, place, event, now)
                if wait.branch is not None:
                    self.leave(run, wait.branch, now)
        return told

    def judge(self, run: Run, wait: Wait, event: Said) -> tuple[str, int | None]:
        """W1, W2, W3, W7: the verdict, and the place of the arm that the event meets."""
        if event.id in run.used or event.id == run.trigger.id:
            return "used", None
        if event.v < max(wait.floor, self.rules.interest[event.name]):
            return "before_window", None
        arms = enumerate(wait.step.arms)
        if all(place in wait.met for place, arm in arms if arm.name == event.name):
            return "already_met", None
        found = run.open_for(wait, event)
        if not found:
            return "filter_false", None
        if wait.deadline is not None and event.v > wait.deadline:
            return "after_deadline", None
        lacks = wait.step.group == "all_of" and len(wait.met) + 1 < len(wait.step.arms)
        return "arm_met" if lacks else "resumed", found[0]

    def meet(self, run: Run, wait: Wait, place: int, event: Said, now: int) -> None:
        wait.met[place] = event
        run.used.add(event.id)
        if wait.step.group != "all_of" or len(wait.met) == len(wait.step.arms):
            wait.by = event
            self.close(run, wait, "received", wait.step.arms[place].branch, now)

    def close(self, run: Run, wait: Wait, status: str, branch: str, now: int) -> None:
        wait.status, wait.branch, wait.closed = status, branch, now
        wait.used_then = frozenset(run.used)

    def lateness(self, event: Said, now: int) -> list[Verdict]:
        """W5: the first within 24 h of what would have met an arm of a wait that timed out."""
        told = []
        for run in self.runs:
            for wait in run.waits if run.trigger.who == event.who else []:
                if wait.status != "timed_out" or wait.late or now >= wait.closed + LATE_KEPT:
                    continue
                if event.id in {run.trigger.id, *wait.used_then} or not run.open_for(wait, event):
                    continue
                if event.v >= max(wait.floor, self.rules.interest[event.name]):
                    verdict = "after_deadline" if event.v > wait.deadline else "late_arrival"
                    wait.late = (event.id, verdict)
                    told.append(say(run, wait, verdict))
        return told

    def start(self, automation: Automation, event: Said, now: int) -> Verdict:
        verdict = self.admit(automation, event, now)
        if verdict != "started":
            return ("automation", automation.name, None, None, verdict)
        run = Run(automation, event, entered=now)
        self.runs.append(run)
        for one in self.stored:  # S3: what was processed before
            rules = self.exit_rules(run, one) if one.who == event.who else []
            if any(not is_same or run.is_like(one) for _, is_same in rules):
                run.reason = verdict = "exited_before_start"
        if run.reason is None:
            self.enter(run, now, event.v)
        return ("automation", automation.name, event.id, None, verdict)

    def admit(self, automation: Automation, event: Said, now: int) -> str:
        """S1, S2, S4, S5."""
        mine = [r for r in self.runs if (r.automation, r.trigger.who) == (automation, event.who)]
        entered = [run for run in mine if run.reason != "exited_before_start"]
        active = [run for run in mine if run.reason is None]
        soon = [run for run in entered if event.v < run.trigger.v + automation.after]
        is_key = automation.policy == "key"
        refusals = {
            "stopped": not automation.is_enabled,
            "before_enabled": event.v < automation.enabled_at,
            "too_old": now - event.v > self.rules.age_max,
            "filter_false": automation.only not in (None, event.n),
            "once": automation.policy == "once" and entered,
            "one_active": automation.policy == "one_active" and active,
            "reentry_too_soon": automation.policy == "after" and soon,
            "key_absent": is_key and event.n is None,
            "key_active": is_key and any(run.trigger.n == event.n for run in active),
            "capped": len(active) >= self.rules.cap,
        }
        return next((verdict for verdict, is_so in refusals.items() if is_so), "started")

    def enter(self, run: Run, now: int, previous: int) -> None:
        """Enter the step at which the run stands; `previous` is when it stood at the one before."""
        step = run.automation.steps[run.at]
        run.entered = now
        if not step.arms:
            run.parked = now + step.minutes
            return
        since = {None: run.trigger.v, "now": now, "previous_step": previous}
        wanted = since[step.since] if step.since in since else now - step.since
        interest = min(self.rules.interest[arm.name] for arm in step.arms)
        floor = max(wanted - self.rules.slack, now - self.rules.back_max, interest)
        deadline = None if step.minutes is None else now + step.minutes
        wait = run.parked = Wait(step, now, floor, deadline)
        run.waits.append(wait)
        for event in sorted(self.stored, key=lambda one: (one.v, one.place)):  # the oldest V wins
            if event.who != run.trigger.who or not wait.is_named_by(event):
                continue
            place = self.judge(run, wait, event)[1]
            if place is not None and wait.status == "waiting":
                self.meet(run, wait, place, event, now)
        if wait.branch is not None:
            self.leave(run, wait.branch, now)

    def leave(self, run: Run, branch: str, now: int) -> None:
        step, run.parked = run.automation.steps[run.at], None
        run.at += 1
        if run.at == len(run.automation.steps) or (branch == "timeout" and not step.goes_on):
            run.reason = "completed_no_branch" if step.arms else "completed_end"
        else:
            self.enter(run, now, run.entered)

    def tick(self, now: int) -> None:
        """Fire what is due (W3, T2)."""
        for run in [run for run in self.runs if run.reason is None]:
            parked = run.parked
            if isinstance(parked, int) and parked <= now:
                self.leave(run, "default", now)
            has_end = isinstance(parked, Wait) and parked.deadline is not None
            if has_end and parked.deadline + self.rules.grace <= now:
                self.close(run, parked, "timed_out", "timeout", now)
                self.leave(run, "timeout", now)


def say(run: Run, wait: Wait, verdict: str) -> Verdict:
    return ("wait", run.automation.name, run.trigger.id, wait.step.key, verdict)
