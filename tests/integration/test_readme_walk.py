"""The README's commands, taken from it and run as they stand, on real servers."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import NamedTuple
from uuid import UUID

from msgspec.structs import replace

from state.event import Coordinates
from state.turn import RunChange
from tests.integration.command import Said
from tests.integration.kept import counting_from, finished, happened, make_month, make_week
from tests.integration.kit import ROOT, House
from tests.stored import connected, email, new_contact, save
from tests.waiting import until_so

NAME = '"Receipt and follow-up"'


class Essentials(NamedTuple):
    """How a command begins, what its answer must hold, and its exit code."""

    command: str
    answer: tuple[str, ...]
    code: int = 0


def so(command: str, *answer: str, code: int = 0) -> Essentials:
    return Essentials(f"waitline {command}", answer, code)


PUBLISH = so("publish", "published evt_")

SET_UP = [
    so("migrate", "the database is up to date"),
    so("topics create", "exists", "records kept for 7 days"),
    so("automations apply", f"{NAME} created: version 1, enabled"),
]

UNMERGE = [
    *(PUBLISH, PUBLISH, PUBLISH),
    so("contacts merges", "email:eric@example.com", "1 moved, 0 decided"),
    so(
        "contacts unmerge",
        "would be apart from",
        "(email:dora@example.com)",
        "identifiers that go back: email:eric@example.com",
        "active runs that go back: ",
    ),
    so("contacts unmerge", "is apart from", "email:eric@example.com"),
    *(PUBLISH, PUBLISH),
    so("contacts unmerge", "cannot be undone: event evt_", "has come since", code=1),
]

HOLD = [
    so(
        "automations hold",
        f"{NAME} would be held",
        "runs that would stand still: 3 waiting",
        "nothing was changed",
    ),
    so("automations hold", f"{NAME} is held", "runs that stand still: 3 waiting"),
    *(PUBLISH, PUBLISH),
    so(
        "automations release",
        f"{NAME} would be released",
        "1 run that started meanwhile begins",
        "3 waits go on with the event that they have kept",
        "messages that go out at once: 0 that were queued, 4 by runs that go on",
    ),
    so("automations release", f"{NAME} is released"),
]

CANCEL = [
    PUBLISH,
    so("runs cancel", ': would be cancelled, waiting at "opened"'),
    so("runs cancel", ": cancelled"),
    so("runs cancel --automation", "1 active run would be cancelled", "waiting: 1"),
    so("runs cancel --automation", "1 run cancelled"),
]

RETENTION = [
    so("retention --dry-run", "kept until", "nothing was changed"),
    Essentials(
        "WAITLINE_RETENTION_EVENTS=",
        (
            "held by run",
            f'(automation {NAME}, step "opened", looks back to ',
            "nothing was changed",
        ),
    ),
    so("retention", "dropped"),
    so("audit", "retention.drop", "run.cancel", "the wrong list"),
]


def commands(heading: str) -> list[str]:
    """Return the commands of the first shell block below a heading of the README."""
    below = (ROOT / "README.md").read_text().partition(f"# {heading}\n")[2]
    found = re.search(r"^```sh\n(.*?)^```", below, re.DOTALL | re.MULTILINE)
    assert found is not None, heading
    return [line for line in found[1].splitlines() if line and not line.startswith("#")]


async def typed(house: House, command: str) -> Said:
    """Run a line in a shell, where `waitline` is found."""
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    done = await asyncio.to_thread(
        subprocess.run,
        ["bash", "-c", command],
        cwd=ROOT,
        env=os.environ | house.environment | {"PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    return Said(done.returncode, done.stdout, done.stderr)


async def follow(house: House, lines: list[str], essentials: list[Essentials]) -> None:
    """Type the lines one after the other, and hold what each says against its essentials."""
    for line, expected in zip(lines, essentials, strict=True):
        assert line.startswith(expected.command)
        said = await typed(house, line)
        told = f"{line}\n{said.out}\n{said.err}"
        assert said.code == expected.code, told
        assert [piece for piece in expected.answer if piece not in said.out] == [], told
        await settled(house, said)


async def settled(house: House, said: Said) -> None:
    """Give the worker the moment that somebody who types gives it."""
    if place := re.search(r"published \S+ to (\S+)/(\d+)/(\d+)$", said.out):
        await house.until_applied([Coordinates(place[1], int(place[2]), int(place[3]))])
    is_moving = (
        "select exists (select from outbox) or exists (select from runs_active"
        " join automations using (automation_id) where pause is null and activity <> 'waiting')"
    )

    async def stands_still() -> bool:
        return not await house.value(is_moving)

    await until_so(stands_still, 30)


async def the_past(house: House) -> None:
    """Make a week that a run still looks back to, one that nobody needs, and a month of runs."""
    now = await house.store.database_now()
    automation_id: UUID = await house.value("select automation_id from automations")
    contact_id = await new_contact(house.store, email(900))
    async with connected(house.database) as connection:
        held = await make_week(connection, now - timedelta(days=22))
        free = await make_week(connection, now - timedelta(days=50))
        month = await make_month(connection, now - timedelta(days=450))
    for number, leaf in enumerate((held, free)):
        await happened(house.store, 900 + number, contact_id, leaf.lower, leaf.lower)
    await finished(house.store, 902, contact_id, month.lower)
    run = counting_from(held.lower, 903, contact_id, automation_id)
    assert run.parked is not None
    ahead = now + timedelta(days=1)
    live = replace(run, parked=replace(run.parked, deadline=ahead, due_at=ahead))
    await save(house.store, [contact_id], runs=[RunChange(None, live)])


async def test_an_operator_walks_through_the_readme(house: House) -> None:
    """I3, F4, T3, O4, O5: unmerge, hold, cancel and retention as pasted, a look before each."""
    set_up = [line for line in commands("Run it") if line.startswith("waitline ")]
    assert set_up[-1].startswith("waitline run ")
    lines = commands("Look first, then do")
    last = len(lines) - len(RETENTION)
    await follow(house, set_up[:-1], SET_UP)
    async with house.worker():
        await follow(house, lines[:last], [*UNMERGE, *HOLD, *CANCEL])
        await the_past(house)
        await follow(house, lines[last:], RETENTION)


def test_every_deed_of_the_readme_has_its_dry_run_before_it() -> None:
    """O4: nothing that the walk changes is changed without a look."""
    lines = [line.partition("  #")[0].strip() for line in commands("Look first, then do")]
    verbs = ("unmerge", "hold", "release", "cancel", "retention")
    deeds = [
        (number, re.sub(r' --why "[^"]*"| --yes', "", line))
        for number, line in enumerate(lines)
        if "--dry-run" not in line and any(f" {verb}" in line for verb in verbs)
    ]
    assert len(deeds) == 6
    assert [deed for number, deed in deeds if f"{deed} --dry-run" not in lines[:number]] == []
