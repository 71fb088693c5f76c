"""Starts everything, tells the demo's stories, and leaves nothing behind: see `./deploy/demo`."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import yaml
from rich.console import Console

from deploy.local.stack import LocalStack
from deploy.local.story import (
    StoryError,
    Teller,
    send_ben,
    tell_ann,
    tell_ben,
    tell_cleo,
    tell_the_end,
)

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "deploy" / "examples" / "receipt-and-follow-up.yaml"

#: How long a worker may take to drain at the end, in seconds.
DRAIN_SECONDS = 20


def main() -> int:
    """Run the demo; return its exit code."""
    options = _options()
    console = Console()
    started = time.monotonic()
    try:
        with LocalStack(report=lambda text: console.print(f"[dim]{text}[/dim]")) as stack:
            _demonstrate(stack, console, options, started)
    except KeyboardInterrupt:
        console.print("\nstopped; nothing is left running")
        return 130
    except StoryError as error:
        console.print(f"[red]{error}[/red]")
        return 1
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="./deploy/demo",
        description="Starts a real Kafka and Postgres in a temporary folder, runs a worker, and "
        "tells three stories. KAFKA_BOOTSTRAP_SERVERS and DATABASE_URL, where set, are used "
        "instead of starting servers. `--install` installs missing tools (root on Debian).",
    )
    parser.add_argument("--keep", action="store_true", help="leave everything running until Ctrl-C")
    parser.add_argument("--workers", type=int, default=1, help="worker processes (default: 1)")
    return parser.parse_args()


def _demonstrate(
    stack: LocalStack, console: Console, options: argparse.Namespace, started: float
) -> None:
    _set_environment(stack)
    # Only now: the commands read the environment.
    from stream.cli import invoke

    teller = Teller(console, invoke)
    teller.chapter("Setting up")
    teller.run("migrate")
    teller.run("topics", "create", "--partitions", "4")
    with _worker(stack.folder, options.workers):
        teller.run("automations", "apply", str(EXAMPLE.relative_to(ROOT)))
        teller.hear("automations", "apply", str(_impatient(stack.folder)))
        send_ben(teller)
        tell_ann(teller)
        tell_ben(teller)
        tell_cleo(teller)
        sent = len(list(Path(os.environ["WAITLINE_OUTBOX_DIR"]).iterdir()))
        tell_the_end(console, time.monotonic() - started, sent)
        if options.keep:
            _keep(console)


def _set_environment(stack: LocalStack) -> None:
    """Point the commands, and the worker that inherits it, at the servers."""
    os.environ["KAFKA_BOOTSTRAP_SERVERS"] = stack.bootstrap_servers
    os.environ["DATABASE_URL"] = stack.database_url
    os.environ.setdefault("WAITLINE_OUTBOX_DIR", str(stack.folder / "outbox"))
    # Nobody shall wait half a minute for Ben: locally there is no lag to be patient with.
    os.environ.setdefault("WAITLINE_TIMEOUT_GRACE", "0")


def _impatient(folder: Path) -> Path:
    """Return the example with another trigger and a deadline that the demo lives to see."""
    drawn = yaml.safe_load(EXAMPLE.read_text())
    drawn["name"] = "Abandoned cart"
    drawn["exit"] = []
    drawn["steps"][0]["config"]["event_name"] = "cart.abandoned"
    drawn["steps"][2]["config"]["timeout"] = "2 seconds"
    path = folder / "abandoned-cart.yaml"
    path.write_text(yaml.safe_dump(drawn))
    return path


@contextmanager
def _worker(folder: Path, workers: int) -> Iterator[None]:
    """Run `waitline run` beside the stories; its log is shown if it dies."""
    log = folder / "worker.log"
    command: Sequence[str] = [
        *(sys.executable, "-m", "stream", "run", "--workers", str(workers)),
    ]
    with log.open("wb") as out:
        process = subprocess.Popen(command, cwd=ROOT, stdout=out, stderr=out)
        try:
            yield
            if process.poll() is not None:
                raise StoryError(f"the worker ended: {log.read_text()[-2000:]}")
        finally:
            process.terminate()
            try:
                process.wait(DRAIN_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _keep(console: Console) -> None:
    console.print("\nEverything stays until Ctrl-C. In another terminal:\n")
    for name in ("KAFKA_BOOTSTRAP_SERVERS", "DATABASE_URL", "WAITLINE_OUTBOX_DIR"):
        console.print(f"  export {name}={os.environ[name]}", soft_wrap=True, highlight=False)
    console.print(f"  export PATH={ROOT}/.venv/bin:$PATH", soft_wrap=True, highlight=False)
    for line in (
        'publish order.completed --email dan@example.com --payload \'{"order_id": "o-4"}\'',
        "runs list",
        "waits",
        "explain ann-open",
        "events names",
        "lag",
    ):
        console.print(f"  waitline {line}", soft_wrap=True, highlight=False)
    while True:
        time.sleep(3600)


if __name__ == "__main__":
    sys.exit(main())
