"""RevKeen's interface: below `/v2`, `object` in every resource, each key always there."""

from handlers.http.dialect import Dialect
from handlers.http.revkeen import approval_routes, auth, automation_routes, errors, run_routes

DIALECT = Dialect(
    name="revkeen",
    title="Waitline as RevKeen speaks",
    description="Automations, their runs and approvals, in the form that RevKeen's clients read. "
    "Keys are made by `waitline keys create`.",
    prefix="/revkeen",
    # Approvals come before what is asked for by id.
    routers=(approval_routes.router, run_routes.router, automation_routes.router),
    render=errors.render,
    headers=auth.headers,
)
