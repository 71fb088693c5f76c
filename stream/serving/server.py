"""uvicorn, told to end by us and not by signals of its own."""

from __future__ import annotations

import resource
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from starlette.types import ASGIApp
from typing_extensions import override
from uvicorn import Config, Server

from stream.config import Settings
from stream.listening import CannotListen
from stream.serving.connections import Bounds, bounded

#: How many files a process needs besides its connections: Postgres, Kafka, logs.
OTHER_FILES = 128


class HttpServer(Server):
    """A server that `stop` ends: no new connections, what is being answered is answered."""

    @property
    def connections(self) -> int:
        """Return how many are open."""
        return len(self.server_state.connections)

    def stop(self) -> None:
        """Ask for an orderly end."""
        self.should_exit = True

    @override
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals to the process: it has more to end than a server."""
        yield


def http_server(app: ASGIApp, settings: Settings, refused: Callable[[int], None]) -> HttpServer:
    """Return a server with all its bounds; it listens once it is told to serve.

    `refused` is told the status of each connection that a bound closes.
    """
    connections_max = min(settings.http_connections_max, _files_allowed() - OTHER_FILES)
    config = Config(
        app,
        http=bounded(Bounds(connections_max, settings.http_head_timeout.total_seconds(), refused)),
        ws="none",
        lifespan="off",
        loop="none",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=round(settings.http_keep_alive.total_seconds()),
        timeout_graceful_shutdown=round(settings.drain_timeout.total_seconds()),
    )
    return HttpServer(config)


def listening(host: str, port: int, *, is_shared: bool) -> socket.socket:
    """Return a socket that listens.

    `is_shared`: other processes may listen there too, and the system deals connections out.

    Raises:
        CannotListen: the address cannot be listened at.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    opened = socket.socket(family, socket.SOCK_STREAM)
    try:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if is_shared:
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        opened.bind((host.strip("[]"), port))
        opened.listen(2048)
    except OSError as error:
        opened.close()
        raise CannotListen((host, port), error, "WAITLINE_HTTP") from None
    return opened


def _files_allowed() -> int:
    """Let the process have as many files as the system allows, and return how many that are."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard
