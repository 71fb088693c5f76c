"""The demo's three stories: one who answers, one who does not, one who answers too early."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import redirect_stderr, redirect_stdout
from datetime import UTC, datetime
from io import StringIO
from typing import Any

from rich.console import Console
from rich.panel import Panel
from rich.rule import Rule

Record = Mapping[str, Any]

#: How long a story waits for its next fact, in seconds.
PATIENCE_SECONDS = 30.0


#: What a command ends with that Ctrl-C ended; it ends the whole story.
INTERRUPTED = 130


class StoryError(Exception):
    """The engine did not do what the story says."""


class Teller:
    """Runs `waitline` commands in this process and shows them as a user would have typed them."""

    def __init__(self, console: Console, command: Callable[[Sequence[str]], int]) -> None:
        self._console = console
        self._command = command

    def chapter(self, title: str) -> None:
        """Begin a new chapter."""
        self._console.print()
        self._console.print(Rule(f"[bold]{title}[/bold]", align="left"))

    def say(self, text: str) -> None:
        """Say a line between commands."""
        self._console.print(text)

    def run(self, *arguments: str) -> None:
        """Run a command as if it were typed here: it prints for itself."""
        shown = " ".join(_quoted(argument) for argument in arguments)
        self._console.print(f"[dim]$[/dim] [cyan]waitline {shown}[/cyan]", soft_wrap=True)
        self._must_succeed(arguments)

    def hear(self, *arguments: str) -> str:
        """Run a command unseen and return what it printed."""
        output = StringIO()
        with redirect_stdout(output), redirect_stderr(StringIO()):
            self._must_succeed(arguments)
        return output.getvalue()

    def read(self, *arguments: str) -> Any:
        """Run a reading command and return its JSON."""
        return json.loads(self.hear(*arguments, "--json"))

    def run_of(self, contact: str, until: Callable[[Record], bool], what: str) -> Record:
        """Return a contact's newest run as soon as it is as the story says."""
        end = time.monotonic() + PATIENCE_SECONDS
        with self._console.status(f"until {what}"):
            while time.monotonic() < end:
                runs = self.read("runs", "list", "--contact", contact)
                if runs:
                    record: Record = self.read("runs", "show", runs[0]["id"])
                    if until(record):
                        return record
                time.sleep(0.1)
        raise StoryError(f"{what}: not within {PATIENCE_SECONDS:.0f} s for {contact}")

    def show(self, record: Record) -> None:
        """Show a run as `waitline runs show` does."""
        self.run("runs", "show", record["id"])

    def _must_succeed(self, arguments: Sequence[str]) -> None:
        code = self._command(arguments)
        if code == INTERRUPTED:
            raise KeyboardInterrupt
        if code != 0:
            raise StoryError(f"waitline {' '.join(arguments)} ended with {code}")


def tell_ann(teller: Teller) -> Record:
    """Ann opens her receipt: the event names her by another identifier, and her run goes on."""
    teller.chapter("1. Ann opens her receipt, and is known by two names")
    teller.run(
        *("publish", "order.completed", "--email", "ann@example.com", "--external-id", "cust-1"),
        *("--payload", '{"order_id": "o-1", "total": 30}', "--id", "ann-order"),
    )
    waiting = teller.run_of("email:ann@example.com", _is_waiting, "her run waits for the open")
    teller.show(waiting)
    teller.say("The open names her by her [bold]external id[/bold] alone:")
    opened = json.dumps({"email_id": waiting["messages"][0]["id"]})
    teller.run(
        *("publish", "email.opened", "--external-id", "cust-1", "--id", "ann-open"),
        *("--payload", opened),
    )
    record = teller.run_of("email:ann@example.com", _is_completed, "her run is completed")
    teller.show(record)
    return record


def tell_ben(teller: Teller) -> Record:
    """Ben never opens his: the wait times out and the run takes the other branch."""
    teller.chapter("2. Ben does not open his: the timeout branch")
    record = teller.run_of("email:ben@example.com", _is_completed, "his run has timed out")
    teller.show(record)
    return record


def send_ben(teller: Teller) -> None:
    """Start Ben's run early, so that his deadline passes while Ann's story is told."""
    teller.hear("publish", "cart.abandoned", "--email", "ben@example.com", "--id", "ben-cart")


def tell_cleo(teller: Teller) -> Record:
    """Cleo's open is on Kafka before her order is: look-back finds it."""
    teller.chapter("3. Cleo's open comes before her order does")
    ordered_at = datetime.now(UTC)
    teller.run("publish", "email.opened", "--email", "cleo@example.com", "--id", "cleo-open")
    _until_applied(teller, "cleo-open")
    teller.say("Only now comes the order that her run starts from:")
    teller.run(
        *("publish", "order.completed", "--email", "cleo@example.com", "--id", "cleo-order"),
        *("--occurred-at", ordered_at.isoformat(), "--payload", '{"order_id": "o-3"}'),
    )
    record = teller.run_of("email:cleo@example.com", _is_completed, "her run is completed")
    teller.show(record)
    teller.run("explain", "cleo-open")
    return record


def tell_the_end(console: Console, seconds: float, sent: int) -> None:
    """Say what was seen."""
    console.print()
    console.print(
        Panel(
            f"Three people, three runs, {sent} messages, each written once.\n"
            f"All of it on a real Kafka and a real Postgres, in {seconds:.0f} s.",
            title="Done",
            expand=False,
        )
    )


def _until_applied(teller: Teller, event_id: str) -> None:
    end = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < end:
        try:
            if teller.read("explain", event_id).get("identity"):
                return
        except StoryError:
            pass
        time.sleep(0.1)
    raise StoryError(f"event {event_id} was not applied")


def _is_waiting(record: Record) -> bool:
    return bool(record["activity"] == "waiting")


def _is_completed(record: Record) -> bool:
    return bool(record["status"] == "completed")


def _quoted(argument: str) -> str:
    return f"'{argument}'" if any(each in argument for each in ' {}"') else argument
