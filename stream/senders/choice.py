"""Which sender carries which messages, as the settings say."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

from stream.config import Settings
from stream.senders.recorder import Recorder
from stream.senders.sender import Sender, Senders


def open_senders(settings: Settings) -> Senders:
    """Return the sender of each channel. Nothing is connected to yet."""
    return {"email": SENDERS[settings.sender](settings), "push": _recorder(settings)}


async def close_senders(senders: Senders) -> None:
    """Let every sender go."""
    async with asyncio.TaskGroup() as group:
        for sender in senders.values():
            group.create_task(sender.close())


def _recorder(settings: Settings) -> Sender:
    return Recorder(settings.outbox_dir)


#: A sender is chosen by its name: a new one is an entry here and a word in the setting.
SENDERS: Mapping[str, Callable[[Settings], Sender]] = {"recorder": _recorder}
