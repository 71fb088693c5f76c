"""Every dialect by its prefix and its hosts, one of them at the root, and health beside them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from starlette.applications import Starlette
from starlette.routing import BaseRoute, Host, Mount
from starlette.types import ASGIApp

from handlers.http import resend, revkeen, sendrealm
from handlers.http.body import BodyLimits
from handlers.http.dialect import Dialect, build
from handlers.http.health import health_routes
from handlers.http.services import Services
from handlers.http.watch import Means, Watch

#: All dialects; the first is also at the root, where a client with a bare base URL looks.
DIALECTS: Sequence[Dialect] = (resend.DIALECT, sendrealm.DIALECT, revkeen.DIALECT)


def make_app(
    services: Services, hosts: Mapping[str, Sequence[str]], limits: BodyLimits, watching: Means
) -> ASGIApp:
    """Return the application; `hosts` are the host names by which a dialect is asked for."""
    built = {dialect.name: build(dialect, services, limits) for dialect in DIALECTS}
    by_host: list[BaseRoute] = [
        Host(host, built[name]) for name, named in hosts.items() for host in named
    ]
    by_prefix: list[BaseRoute] = [
        _Below(dialect.prefix, built[dialect.name]) for dialect in DIALECTS
    ]
    root = _Below("", built[DIALECTS[0].name])
    app = Starlette(routes=[*health_routes(services), *by_host, *by_prefix, root])
    return Watch(app, watching)


class _Below(Mount):
    """Every path below a prefix, so that all are answered in the dialect's words.

    A plain mount leaves out those that hold a line feed, which a client may well encode.
    """

    def __init__(self, path: str, app: ASGIApp) -> None:
        super().__init__(path, app)
        self.path_regex = re.compile(self.path_regex.pattern, re.DOTALL)
