"""What the demo prints when it keeps everything running: lines to paste into another terminal."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from rich.console import Console

from deploy.local.beside import Beside

VARIABLES = ("KAFKA_BOOTSTRAP_SERVERS", "DATABASE_URL", "WAITLINE_OUTBOX_DIR")

COMMANDS = (
    'publish order.completed --email emil@example.com --payload \'{"order_id": "o-5"}\'',
    "runs list",
    "waits",
    "explain ann-open",
    "events names",
    "lag",
)

EVENT = {"event": "order.completed", "email": "fay@example.com", "payload": {"order_id": "o-6"}}

#: The key, as the lines before have it put into the shell.
_PROVED = '-H "Authorization: Bearer $KEY"'
REQUESTS = (
    f"curl $URL/events/send {_PROVED} -H 'Idempotency-Key: fay-order' -d '{json.dumps(EVENT)}'",
    f"curl $URL/events/explain/fay-order {_PROVED}",
    f"curl $URL/automations {_PROVED}",
    "curl $URL/readyz",
)


class Served(NamedTuple):
    """Where HTTP is served, at which port its metrics are, and a key."""

    url: str
    metrics: int
    key: str


def say_what_to_try(console: Console, programs: Path, served: Served) -> None:
    """Say how to reach the servers, and what to ask them; `programs` holds `waitline`."""
    url = served.url
    exports = [*(f"{name}={os.environ[name]}" for name in VARIABLES), f"PATH={programs}:$PATH"]
    console.print("\nEverything stays until Ctrl-C. In another terminal:\n")
    _say(console, [f"export {one}" for one in exports])
    _say(console, [f"waitline {one}" for one in COMMANDS])
    console.print(f"\nHTTP answers at {url}, and {url}/docs says what it can do:\n")
    _say(console, [f"export URL={url}", f"export KEY={served.key}", *REQUESTS])
    _say(console, [f"curl http://127.0.0.1:{served.metrics}/metrics"])
    console.print("\nResend's clients work with these:\n")
    _say(console, ["export RESEND_API_URL=$URL RESEND_BASE_URL=$URL RESEND_API_KEY=$KEY"])


def keep(running: Sequence[Beside]) -> None:
    """Wait for Ctrl-C.

    Raises:
        StoryError: one of the processes has ended, so there is nothing to keep.
    """
    while True:
        for one in running:
            one.require_alive()
        time.sleep(1)


def _say(console: Console, lines: Sequence[str]) -> None:
    for line in lines:
        console.print(f"  {line}", soft_wrap=True, highlight=False, markup=False)
