"""The recorder writes what many ask for at once, each for itself."""

from __future__ import annotations

import asyncio
from pathlib import Path

from msgspec.structs import replace

from stream.senders.recorder import Recorder
from stream.senders.sender import Accepted
from tests.stored import AT, effect


def files(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


async def test_all_that_ask_at_once_get_their_own_file(tmp_path: Path) -> None:
    """F2: once each, however many ask, and one key once."""
    recorder = Recorder(tmp_path / "new")
    asked = [effect(number, 1, AT) for number in range(40)]
    outcomes = await asyncio.gather(*(recorder.send(each) for each in (*asked, asked[0])))
    assert {type(outcome) for outcome in outcomes} == {Accepted}
    assert files(tmp_path / "new") == {f"{each.effect_id}.eml" for each in asked}


async def test_one_that_cannot_be_written_keeps_no_other(tmp_path: Path) -> None:
    """F5: who asked for it is told, and nobody else."""
    recorder = Recorder(tmp_path)
    bad, good = replace(effect(1, 1, AT), message={}), effect(2, 1, AT)
    told = await asyncio.gather(*map(recorder.send, (bad, good)), return_exceptions=True)
    assert isinstance(told[0], KeyError)
    assert isinstance(told[1], Accepted)
    assert files(tmp_path) == {f"{good.effect_id}.eml"}


async def test_who_stops_waiting_leaves_the_others_waiting(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path)
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(recorder.send(effect(number, 1, AT))) for number in range(3)]
        await asyncio.sleep(0)
        tasks[1].cancel()
    assert [task.cancelled() for task in tasks] == [False, True, False]
    names = {f"{effect(number, 1, AT).effect_id}.eml" for number in (0, 2)}
    assert names <= files(tmp_path)
