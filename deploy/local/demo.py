"""Starts everything, tells the demo's stories, and leaves nothing behind: see `./deploy/demo`."""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path

import yaml
from rich.console import Console
from rich.panel import Panel

from deploy.local.beside import beside
from deploy.local.keeping import Served, keep, say_what_to_try
from deploy.local.process import ProcessFailedError, free_port
from deploy.local.stack import LocalStack
from deploy.local.story import send_ben, tell_ann, tell_ben, tell_cleo
from deploy.local.telling import StoryError, Teller
from deploy.local.web import Web
from deploy.local.web_story import make_key, tell_dora

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "deploy" / "examples" / "receipt-and-follow-up.yaml"


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
    except (StoryError, ProcessFailedError) as error:
        console.print(str(error), style="red", markup=False)
        return 1
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="./deploy/demo",
        description="Starts a real Kafka and Postgres in a temporary folder, runs a worker and "
        "an HTTP server, and tells four stories. KAFKA_BOOTSTRAP_SERVERS and DATABASE_URL, where "
        "set, are used instead of starting servers. `--install` installs missing tools (root on "
        "Debian).",
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

    teller, port, metrics = Teller(console, invoke), free_port(), free_port()
    teller.chapter("Setting up")
    teller.run("migrate")
    teller.run("topics", "create", "--partitions", "4")
    with (
        beside(stack, "run", "--workers", str(options.workers)) as worker,
        beside(stack, "serve", "--port", str(port), WAITLINE_METRICS_PORT=str(metrics)) as server,
    ):
        teller.run("automations", "apply", str(EXAMPLE.relative_to(ROOT)))
        teller.hear("automations", "apply", str(_impatient(stack.folder)))
        send_ben(teller)
        tell_ann(teller)
        tell_ben(teller)
        tell_cleo(teller)
        server.require_alive()
        key, url = make_key(teller), f"http://127.0.0.1:{port}"
        console.print(f"HTTP answers at {url}", soft_wrap=True, highlight=False)
        tell_dora(teller, Web(teller, url, key))
        _tell_the_end(console, time.monotonic() - started)
        if options.keep:
            say_what_to_try(console, ROOT / ".venv" / "bin", Served(url, metrics, key))
            keep((worker, server))


def _set_environment(stack: LocalStack) -> None:
    """Point the commands, and the worker that inherits it, at the servers."""
    os.environ["KAFKA_BOOTSTRAP_SERVERS"] = stack.bootstrap_servers
    os.environ["DATABASE_URL"] = stack.database_url
    outbox = Path(os.environ.get("WAITLINE_OUTBOX_DIR") or stack.folder / "outbox")
    os.environ["WAITLINE_OUTBOX_DIR"] = str(outbox.resolve())  # the worker works elsewhere
    # It is asked at the port that this program has found, and of this machine.
    os.environ["WAITLINE_HTTP_HOST"] = "127.0.0.1"
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


def _tell_the_end(console: Console, seconds: float) -> None:
    """Say what was seen."""
    sent = len(list(Path(os.environ["WAITLINE_OUTBOX_DIR"]).iterdir()))
    console.print()
    console.print(
        Panel(
            f"Four people, four runs, {sent} messages, each written once.\n"
            f"All of it on a real Kafka and a real Postgres, in {seconds:.0f} s.",
            title="Done",
            expand=False,
        )
    )


if __name__ == "__main__":
    sys.exit(main())
