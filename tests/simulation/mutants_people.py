"""Named bugs of who is who, of operators and of consent: the simulation must find them all."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from handlers import admit, advance, after_merge, arrival, deletion, identify, paused, waits, world
from state import contact
from state.pausing import Pausing
from stream import relay
from tests.simulation.mutants import Install, Patch, collector

MUTANTS: dict[str, Install] = {}

mutant = collector(MUTANTS)


# --- merges ---------------------------------------------------------------------------------------


@mutant
def people_never_meet(patch: Patch) -> None:
    """I3: two contacts that one event names stay apart."""
    patch.setattr(identify, "refuses_merge", lambda *_: "never")


@mutant
def a_merge_does_not_look_back(patch: Patch) -> None:
    """I3, W2: what came under the other's name before they met resumes nothing."""
    patch.setattr(after_merge, "_look_back", lambda *_: iter(()))


@mutant
def a_merge_looks_for_no_exits(patch: Patch) -> None:
    """I3, S3: what came under the other's name before they met ends nothing."""
    patch.setattr(after_merge, "exit_by_history", lambda *_: False)


@mutant
def runs_that_exclude_each_other_go_on(patch: Patch) -> None:
    """I3, S2: a merge lets two runs of a once-only automation go on."""
    patch.setattr(after_merge, "_end_duplicates", lambda *_: iter(()))


@mutant
def the_older_duplicate_ends(patch: Patch) -> None:
    """I3: of two runs that exclude each other the younger one stays."""

    def youngest_first(run: Any) -> tuple[float, int]:
        return -run.created_at.timestamp(), -run.run_id.int

    patch.setattr(after_merge, "_age", youngest_first)


@mutant
def history_stays_with_its_number(patch: Patch) -> None:
    """I3: events and entries of who was merged are not read through the merge set."""
    patch.setattr(world.Directory, "members", lambda self, number: (self.home_of(number),))


# --- deletions ------------------------------------------------------------------------------------


@mutant
def runs_outlive_their_contact(patch: Patch) -> None:
    """I5: runs of who is deleted go on."""
    real = deletion.end_early
    patch.setattr(
        deletion,
        "end_early",
        lambda a_world, run, why: run if run.steps_done else real(a_world, run, why),
    )


@mutant
def events_of_the_deleted_are_stored(patch: Patch) -> None:
    """I5: what happened before a deletion, and comes after it, is taken for a new person's."""
    patch.setattr(arrival, "is_dropped_as_erased", lambda *_: False)


@mutant
def what_the_deleted_said_is_kept(patch: Patch) -> None:
    """I5: runs keep their payloads when their contact is deleted."""
    patch.setattr("tests.simulation.people.redacted", lambda run: run)


# --- operators ------------------------------------------------------------------------------------


@mutant
def pauses_are_ignored(patch: Patch) -> None:
    """T3: what is held goes on."""
    patch.setattr(world.World, "is_paused", lambda *_: False)


@mutant
def a_pause_forgets_what_came(patch: Patch) -> None:
    """T3: an event that would close a wait is not kept while its automation is paused."""
    patch.setattr(advance, "keep_match", lambda _world, run, _waiting: run)


@mutant
def timeouts_beat_what_was_kept(patch: Patch) -> None:
    """T3: at the release a deadline that has passed wins over the event that was kept."""
    real = paused.keep_match

    def keep_match(a_world: Any, run: Any, waiting: Any) -> object:
        kept = real(a_world, run, waiting)
        is_over = waiting.deadline is not None and a_world.now > waiting.deadline
        return run if is_over else kept

    patch.setattr(advance, "keep_match", keep_match)


@mutant
def deadlines_stand_in_a_freeze(patch: Patch) -> None:
    """T3: a freeze moves no deadline."""
    patch.setattr(world, "with_freezes", lambda run, *_: run)


@mutant
def a_freeze_moves_what_it_never_met(patch: Patch) -> None:
    """T3: freezes that were over before a wait began move its deadline, too."""

    def shift(self: Pausing, _deadline: Any, _entered_at: Any, now: Any) -> object:
        spans = [until - since for since, until in self.frozen(now)]
        return sum(spans[1:], spans[0])

    patch.setattr(Pausing, "shift", shift)


@mutant
def a_cancel_calls_nothing_back(patch: Patch) -> None:
    """F4, S4: what a cancelled run has asked for goes out though nobody had claimed it."""
    patch.setattr(world.World, "_withdraw", lambda *_: None)


@mutant
def a_cancel_forgets_its_wait(patch: Patch) -> None:
    """W8: a run that is cancelled shows no outcome for its wait."""

    def end_early(a_world: Any, run: Any, reason: Any, failure: Any = None) -> object:
        return run.end(reason, a_world.now, failure)

    patch.setattr("handlers.ending.end_early", end_early)


# --- consent, arms, the cap -----------------------------------------------------------------------


@mutant
def consent_is_not_asked_at_the_claim(patch: Patch) -> None:
    """F4: who has unsubscribed since the step was entered is written to."""
    patch.setattr(relay, "refusal", lambda *_: None)


@mutant
def transactional_messages_ask_for_consent(patch: Patch) -> None:
    """F4: who has unsubscribed gets no receipt."""
    real = relay.refusal
    patch.setattr(
        relay,
        "refusal",
        lambda effect, standing: real(replace(effect, category="marketing"), standing),
    )


@mutant
def the_first_word_counts(patch: Patch) -> None:
    """I6: who comes back stays away."""
    patch.setattr(contact.Profile, "is_unsubscribed", property(_ever_left))


def _ever_left(self: Any) -> bool:
    return "unsubscribed" in self.fields


@mutant
def one_arm_closes_all(patch: Patch) -> None:
    """W7: a wait for several events is closed by the first of them."""
    real = waits.judge

    def judge(*given: Any) -> object:
        judged = real(*given)
        return judged._replace(verdict="resumed") if judged.verdict == "arm_met" else judged

    patch.setattr(waits, "judge", judge)
    patch.setattr("handlers.match.judge", judge)


@mutant
def arms_are_forgotten_over_time(patch: Patch) -> None:
    """W7: an arm that was met while the run waited is not kept."""
    patch.setattr("handlers.match.note_arm", lambda _world, run, _match: run)


@mutant
def nobody_is_capped(patch: Patch) -> None:
    """S2: a contact may have any number of active runs in one automation."""
    patch.setattr(admit, "ACTIVE_RUNS_MAX", 10**6)


@mutant
def one_active_lets_everybody_in(patch: Patch) -> None:
    """S2: another run starts beside an active one."""
    real = admit._judge_reentry

    def judge(*given: Any) -> object:
        judged = real(*given)
        return judged._replace(verdict="started") if judged.verdict == "one_active" else judged

    patch.setattr(admit, "_judge_reentry", judge)
