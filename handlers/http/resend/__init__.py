"""Resend's interface: its official clients work against it when they are given another address."""

from handlers.http.dialect import Dialect
from handlers.http.resend import (
    automations,
    contact_audiences,
    contact_lists,
    contact_properties,
    contacts,
    emails,
    errors,
    events,
    limits,
    runs,
    segments,
    sending,
    templates,
    topics,
)

DIALECT = Dialect(
    name="resend",
    title="Waitline as Resend speaks",
    description="Automations, their runs and events, in the form that Resend's clients read. "
    "Keys are made by `waitline keys create`.",
    prefix="/resend",
    # Sending comes before what is asked for by name: an event may be called `send`.
    routers=(
        sending.router,
        events.router,
        automations.router,
        runs.router,
        templates.router,
        segments.router,
        topics.router,
        contact_properties.router,
        emails.router,
        contact_lists.router,
        contacts.router,
        contact_audiences.router,
    ),
    render=errors.render,
    headers=limits.headers,
)
