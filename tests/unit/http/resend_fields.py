"""Resend's interface as tables: every field of every answer of every route, and what it refuses.

Origin is `docs` for what Resend's sources state, `ours` for what its clients pass over.
"""

from __future__ import annotations

from typing import NamedTuple

from tests.unit.http import fields
from tests.unit.http.fields import FieldRow, Table

RUN_STATUS = '"running"|"completed"|"failed"|"cancelled"'
STEP_STATUS = '"pending"|"running"|"completed"|"failed"|"skipped"|"waiting"'
STEP_TYPE = (
    '"trigger"|"send_email"|"delay"|"wait_for_event"|"condition"|"contact_update"'
    '|"contact_delete"|"add_to_segment"'
)
FIELD_TYPE = '"string"|"number"|"boolean"|"date"'
VARIABLE_TYPE = '"string"|"number"|"boolean"|"object"|"list"'
LAST_EVENT = (
    '"bounced"|"canceled"|"clicked"|"complained"|"delivered"|"delivery_delayed"|"failed"'
    '|"opened"|"queued"|"scheduled"|"sent"|"suppressed"'
)

ERROR = fields.table(
    """
statusCode                 integer       always    docs
message                    text          always    docs
name                       text          always    docs
"""
)


def _named(thing: str, more: str = "") -> Table:
    """Return the table of an answer that names what was created, changed or deleted."""
    rows = f'object "{thing}" always docs\nid uuid always docs\n{more}'
    return fields.table(rows)


def _deleted(thing: str, more: str = "") -> Table:
    return _named(thing, f"deleted true always docs\n{more}")


def _one(thing: str, *parts: Table) -> Table:
    """Return the table of a thing by itself: what a list shows of it, its word, and more."""
    return [
        *fields.table(f'object "{thing}" always docs'),
        *(row for part in parts for row in part),
    ]


def _list(item: Table) -> Table:
    """Return the table of a page of such items."""
    envelope = 'object "list" always docs\nhas_more flag always docs\ndata[] list always docs'
    return [*fields.table(envelope), *(row._replace(path=f"data[].{row.path}") for row in item)]


# --- automations and runs -------------------------------------------------------------------------

AUTOMATION_ITEM = fields.table(
    """
id                         uuid                    always    docs
name                       text                    always    docs
status                     "enabled"|"disabled"    always    docs
created_at                 instant                 always    docs
updated_at                 instant                 always    docs
"""
)
AUTOMATION = _one(
    "automation",
    AUTOMATION_ITEM,
    fields.table(
        f"""
steps[]                    list                    always    docs
steps[].key                text                    always    docs
steps[].type               {STEP_TYPE}             always    docs
steps[].config             object                  always    docs
steps[].waitline_type      text                    always    ours
connections[]              list                    always    docs
connections[].from         text                    always    docs
connections[].to           text                    always    docs
connections[].type         text                    always    docs
"""
    ),
)
RUN_ITEM = fields.table(
    f"""
id                         uuid                    always    docs
status                     {RUN_STATUS}            always    docs
started_at                 instant                 nullable  docs
completed_at               instant                 nullable  docs
created_at                 instant                 always    docs
"""
)
RUN = _one(
    "automation_run",
    RUN_ITEM,
    fields.table(
        f"""
steps[]                    list                    always    docs
steps[].key                text                    always    docs
steps[].type               {STEP_TYPE}             always    docs
steps[].status             {STEP_STATUS}           always    docs
steps[].started_at         instant                 nullable  docs
steps[].completed_at       instant                 nullable  docs
steps[].output             object                  nullable  docs
steps[].error              object                  nullable  docs
steps[].created_at         instant                 always    docs
steps[].waitline_type      text                    always    ours
trigger                    object                  always    ours
trigger.event_name         text                    always    ours
trigger.payload            object                  always    ours
contact_id                 uuid                    always    ours
resolved_identity_type     text                    always    ours
resolved_identity_value    text                    always    ours
waits                      list                    always    ours
ended_reason               text                    nullable  ours
"""
    ),
)

# --- events ---------------------------------------------------------------------------------------

EVENT_ITEM = fields.table(
    """
id                         uuid                    always    docs
name                       text                    always    docs
schema                     object                  nullable  docs
created_at                 instant                 always    docs
updated_at                 instant                 nullable  docs
"""
)
EVENT_SENT = fields.table(
    """
object                     "event"                 always    docs
event                      text                    always    docs
id                         text                    always    ours
"""
)

# --- contacts and what they are grouped by --------------------------------------------------------

CONTACT_ITEM = fields.table(
    """
id                         uuid                    always    docs
email                      string                  always    docs
first_name                 text                    nullable  docs
last_name                  text                    nullable  docs
created_at                 instant                 always    docs
unsubscribed               flag                    always    docs
"""
)
CONTACT = _one(
    "contact",
    CONTACT_ITEM,
    fields.table(
        """
properties{}               object                  always    docs
properties{}.value         scalar                  always    docs
properties{}.type          "string"|"number"       always    docs
"""
    ),
)
_IDS = "contact_id uuid always docs\nsegment_id uuid always docs"
TOPICS_CHOSEN = _named(
    "contact_topics",
    """
contact_id                 uuid                    always    docs
topics[]                   list                    always    docs
topics[].id                uuid                    always    docs
topics[].subscription      "opt_in"|"opt_out"      always    docs
""".strip(),
)
SEGMENT_ITEM = fields.table(
    """
id                         uuid                    always    docs
name                       text                    always    docs
created_at                 instant                 always    docs
"""
)
CHOICE_ITEM = fields.table(
    """
id                         uuid                    always    docs
name                       text                    always    docs
description                text                    nullable  docs
subscription               "opt_in"|"opt_out"      always    docs
"""
)
TOPIC_ITEM = fields.table(
    """
id                         uuid                    always    docs
name                       text                    always    docs
description                text                    nullable  docs
default_subscription       "opt_in"|"opt_out"      always    docs
visibility                 "public"|"private"      always    docs
created_at                 instant                 always    docs
"""
)
PROPERTY_ITEM = fields.table(
    """
id                         uuid                    always    docs
key                        text                    always    docs
type                       "string"|"number"       always    docs
fallback_value             scalar                  nullable  docs
created_at                 instant                 always    docs
"""
)

# --- templates and what is sent of them -----------------------------------------------------------

TEMPLATE_ITEM = fields.table(
    """
id                         uuid                    always    docs
name                       text                    always    docs
alias                      text                    nullable  docs
status                     "draft"|"published"     always    docs
published_at               instant                 nullable  docs
created_at                 instant                 always    docs
updated_at                 instant                 always    docs
"""
)
TEMPLATE = _one(
    "template",
    TEMPLATE_ITEM,
    fields.table(
        f"""
current_version_id         uuid                    always    docs
has_unpublished_versions   flag                    always    docs
from                       text                    nullable  docs
subject                    text                    nullable  docs
reply_to                   list                    nullable  docs
html                       string                  always    docs
text                       text                    nullable  docs
variables[]                list                    always    docs
variables[].id             uuid                    always    docs
variables[].key            text                    always    docs
variables[].type           {VARIABLE_TYPE}         always    docs
variables[].fallback_value json                    always    docs
variables[].created_at     instant                 always    docs
variables[].updated_at     instant                 always    docs
"""
    ),
)
EMAIL = fields.table(
    f"""
object                     "email"                 always    docs
id                         uuid                    always    docs
message_id                 text                    always    docs
to                         list                    always    docs
from                       string                  always    docs
created_at                 instant                 always    docs
subject                    string                  always    docs
html                       text                    null      docs
text                       text                    null      docs
bcc                        list                    null      docs
cc                         list                    null      docs
reply_to                   list                    nullable  docs
last_event                 {LAST_EVENT}            always    docs
scheduled_at               instant                 null      docs
tags                       list                    always    docs
status                     text                    always    ours
error                      object                  nullable  ours
automation_id              uuid                    always    ours
run_id                     uuid                    always    ours
step_key                   text                    always    ours
"""
)

# --- routes ---------------------------------------------------------------------------------------


class Answer(NamedTuple):
    """What a route answers where it does what it is asked: a status, and the table of a document.

    No table: a document that is ours alone, and told elsewhere.
    """

    status: int
    rows: Table | None


def _people(prefix: str, contact: str) -> dict[str, Answer]:
    """Return the routes of contacts, which are also under what segments were once called."""
    return {
        f"POST {prefix}": Answer(201, _named("contact")),
        f"GET {prefix}": Answer(200, _list(CONTACT_ITEM)),
        f"GET {prefix}/{contact}": Answer(200, CONTACT),
        f"PATCH {prefix}/{contact}": Answer(200, _named("contact")),
        f"DELETE {prefix}/{contact}": Answer(200, _deleted("contact", "contact uuid always docs")),
    }


def _groups(prefix: str) -> dict[str, Answer]:
    """Return the routes of segments, also by their old name."""
    return {
        f"POST {prefix}": Answer(201, _named("segment", "name text always docs")),
        f"GET {prefix}": Answer(200, _list(SEGMENT_ITEM)),
        f"GET {prefix}/{{segment_id}}": Answer(200, _one("segment", SEGMENT_ITEM)),
        f"PATCH {prefix}/{{segment_id}}": Answer(200, _named("segment")),
        f"DELETE {prefix}/{{segment_id}}": Answer(200, _deleted("segment")),
    }


_RUNS = "/automations/{automation_id}/runs"
_CONTACT = "/contacts/{contact}"

#: Every route that Resend's interface has here.
ANSWERS: dict[str, Answer] = {
    "POST /automations": Answer(201, _named("automation")),
    "GET /automations": Answer(200, _list(AUTOMATION_ITEM)),
    "GET /automations/{automation_id}": Answer(200, AUTOMATION),
    "PATCH /automations/{automation_id}": Answer(200, _named("automation")),
    "DELETE /automations/{automation_id}": Answer(200, _deleted("automation")),
    "POST /automations/{automation_id}/duplicate": Answer(201, _named("automation")),
    "POST /automations/{automation_id}/stop": Answer(
        200, _named("automation", 'status "disabled" always docs')
    ),
    f"GET {_RUNS}": Answer(200, _list(RUN_ITEM)),
    f"GET {_RUNS}/{{run_id}}": Answer(200, RUN),
    f"POST {_RUNS}/{{run_id}}/cancel": Answer(
        200, _named("automation_run", 'status "cancelled" always ours')
    ),
    f"POST {_RUNS}/{{run_id}}/retry": Answer(
        201, _named("automation_run", "retried_from uuid always ours")
    ),
    "POST /events": Answer(201, _named("event")),
    "GET /events": Answer(200, _list(EVENT_ITEM)),
    "POST /events/send": Answer(202, EVENT_SENT),
    "GET /events/explain/{event_id}": Answer(200, None),
    "GET /events/{identifier}": Answer(200, _one("event", EVENT_ITEM)),
    "PATCH /events/{identifier}": Answer(200, _named("event")),
    "DELETE /events/{identifier}": Answer(200, _deleted("event")),
    **_people("/contacts", "{contact}"),
    **_people("/audiences/{audience_id}/contacts", "{contact}"),
    f"GET {_CONTACT}/segments": Answer(200, _list(SEGMENT_ITEM)),
    f"POST {_CONTACT}/segments/{{segment_id}}": Answer(200, _named("contact_segment", _IDS)),
    f"DELETE {_CONTACT}/segments/{{segment_id}}": Answer(200, _deleted("contact_segment", _IDS)),
    f"GET {_CONTACT}/topics": Answer(200, _list(CHOICE_ITEM)),
    f"PATCH {_CONTACT}/topics": Answer(200, TOPICS_CHOSEN),
    **_groups("/segments"),
    **_groups("/audiences"),
    "GET /segments/{segment_id}/contacts": Answer(200, _list(CONTACT_ITEM)),
    "POST /topics": Answer(201, _named("topic")),
    "GET /topics": Answer(200, _list(TOPIC_ITEM)),
    "GET /topics/{topic_id}": Answer(200, _one("topic", TOPIC_ITEM)),
    "PATCH /topics/{topic_id}": Answer(200, _named("topic")),
    "DELETE /topics/{topic_id}": Answer(200, _deleted("topic")),
    "POST /contact-properties": Answer(201, _named("contact_property")),
    "GET /contact-properties": Answer(200, _list(PROPERTY_ITEM)),
    "GET /contact-properties/{identifier}": Answer(200, _one("contact_property", PROPERTY_ITEM)),
    "PATCH /contact-properties/{identifier}": Answer(200, _named("contact_property")),
    "DELETE /contact-properties/{identifier}": Answer(200, _deleted("contact_property")),
    "POST /templates": Answer(201, _named("template")),
    "GET /templates": Answer(200, _list(TEMPLATE_ITEM)),
    "GET /templates/{identifier}": Answer(200, TEMPLATE),
    "PATCH /templates/{identifier}": Answer(200, _named("template")),
    "DELETE /templates/{identifier}": Answer(200, _deleted("template")),
    "POST /templates/{identifier}/publish": Answer(200, _named("template")),
    "POST /templates/{identifier}/duplicate": Answer(201, _named("template")),
    "GET /emails/{email_id}": Answer(200, EMAIL),
}

#: Segments are still found by their old name, which is not documented.
UNDOCUMENTED = frozenset(_groups("/audiences"))


def rows_of(routes: dict[str, Answer]) -> list[tuple[str, FieldRow]]:
    """Return every field of the answers of routes, each with its route."""
    return [(route, row) for route, answer in routes.items() for row in answer.rows or ()]
