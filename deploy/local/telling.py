"""How the demo tells: commands are run and shown as a user would have typed them."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from typing import Any, TypeVar

from rich.console import Console
from rich.rule import Rule
from rich.text import Text

Record = Mapping[str, Any]
T = TypeVar("T")

#: How long a story waits for its next fact, in seconds.
PATIENCE_SECONDS = 30.0

#: What a command ends with that Ctrl-C ended; it ends the whole story.
INTERRUPTED = 130


class StoryError(Exception):
    """The engine did not do what the story says."""


class Teller:
    """Runs `waitline` commands in this process, and shows them."""

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

    def show_line(self, line: str) -> None:
        """Show a line of a shell as it is typed."""
        typed = Text.assemble(("$", "dim"), " ", (line, "cyan"))
        self._console.print(typed, soft_wrap=True)

    def show_answer(self, text: str) -> None:
        """Show what was answered, as it came."""
        self._console.print(text, soft_wrap=True, highlight=False, markup=False)

    def show_document(self, text: str) -> None:
        """Show a JSON document over several lines."""
        self._console.print_json(text)

    def run(self, *arguments: str) -> None:
        """Run a command as if it were typed here: it prints for itself."""
        self._show_command(arguments)
        self._must_succeed(arguments)

    def run_heard(self, *arguments: str) -> str:
        """Run a command as if it were typed here, and return what it answered."""
        self._show_command(arguments)
        answer = self.hear(*arguments).strip()
        self.show_answer(answer)
        return answer

    def hear(self, *arguments: str) -> str:
        """Run a command unseen and return what it answered."""
        output = StringIO()
        with redirect_stdout(output), redirect_stderr(StringIO()):
            self._must_succeed(arguments)
        return output.getvalue()

    def read(self, *arguments: str) -> Any:
        """Run a reading command and return its JSON."""
        return json.loads(self.hear(*arguments, "--json"))

    def run_of(self, contact: str, until: Callable[[Record], bool], what: str) -> Record:
        """Return a contact's newest run as soon as it is as the story says."""

        def look() -> Record | None:
            runs = self.read("runs", "list", "--contact", contact)
            record: Record | None = self.read("runs", "show", runs[0]["id"]) if runs else None
            return record if record is not None and until(record) else None

        return self.wait_for(look, f"{what} ({contact})")

    def wait_for(self, look: Callable[[], T | None], what: str, pause: float = 0.1) -> T:
        """Look again and again until there is something to see, and return it.

        Raises:
            StoryError: there is nothing in time.
        """
        end = time.monotonic() + PATIENCE_SECONDS
        with self._console.status(f"until {what}"):
            while time.monotonic() < end:
                if (seen := look()) is not None:
                    return seen
                time.sleep(pause)
        raise StoryError(f"not within {PATIENCE_SECONDS:.0f} s: {what}")

    def show(self, record: Record) -> None:
        """Show a run as `waitline runs show` does."""
        self.run("runs", "show", record["id"])

    def _show_command(self, arguments: Sequence[str]) -> None:
        self.show_line(f"waitline {' '.join(quoted(argument) for argument in arguments)}")

    def _must_succeed(self, arguments: Sequence[str]) -> None:
        code = self._command(arguments)
        if code == INTERRUPTED:
            raise KeyboardInterrupt
        if code != 0:
            raise StoryError(f"waitline {' '.join(arguments)} ended with {code}")


def quoted(argument: str) -> str:
    """Return an argument as a shell takes it."""
    return f"'{argument}'" if any(each in argument for each in ' {}"') else argument
