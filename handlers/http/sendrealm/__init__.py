"""Sendrealm's interface: `{data}` envelopes, paths without a version, keys that may be left out."""

from handlers.http.dialect import Dialect
from handlers.http.sendrealm import automation_routes, errors, event_routes, limits, run_routes

DIALECT = Dialect(
    name="sendrealm",
    title="Waitline as Sendrealm speaks",
    description="Automations, their runs and events, in the form that Sendrealm's clients read. "
    "Keys are made by `waitline keys create`.",
    prefix="/sendrealm",
    routers=(event_routes.router, run_routes.router, automation_routes.router),
    render=errors.render,
    headers=limits.headers,
)
