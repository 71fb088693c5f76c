"""Where operators' words are taken: the tables for reading, a transaction for changes, the door."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import NamedTuple

from state.postgres.session import Session
from stream.processor import Processor


class Desk(NamedTuple):
    """How to reach them; each is opened for one thing and closed again."""

    tables: Callable[[], AbstractAsyncContextManager[Session]]
    operating: Callable[[], AbstractAsyncContextManager[Session]]
    door: Callable[[], AbstractAsyncContextManager[Processor]]
