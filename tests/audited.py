"""What each command does, as far as the audit log is concerned (rule O4).

A new command is added to one of the three; one that changes something is added with what it writes
into the audit log, and some test must look for that.
"""

#: Commands that change nothing.
READS = frozenset(
    {
        "audit",
        "automations list",
        "automations show",
        "config",
        "contacts merges",
        "contacts show",
        "dead-letters list",
        "dead-letters show",
        "events names",
        "explain",
        "keys list",
        "lag",
        "runs list",
        "runs show",
        "segments list",
        "segments show",
        "subscription-topics list",
        "subscription-topics show",
        "suppressions list",
        "waits",
    }
)

#: Commands that do what any producer or worker does; what comes of it is told by the events.
PRODUCES = frozenset({"publish", "run", "serve"})

#: Commands that change something, and what the audit log calls each change they can make.
AUDITED: dict[str, tuple[str, ...]] = {
    "automations apply": ("automation.apply", "template.apply"),
    "automations delete": ("automation.delete", "run.cancel"),
    "automations enable": ("automation.enable",),
    "automations freeze": ("automation.freeze",),
    "automations hold": ("automation.hold",),
    "automations release": ("automation.release",),
    "automations stop": ("automation.stop",),
    "contacts unmerge": ("contact.unmerge",),
    "keys create": ("key.create",),
    "keys revoke": ("key.revoke",),
    "migrate": ("schema.migrate",),
    "retention": ("retention.drop",),
    "runs cancel": ("run.cancel",),
    "runs retry": ("run.retry",),
    "runs release": ("timer.release",),
    "segments create": ("segment.create",),
    "segments delete": ("segment.delete",),
    "subscription-topics create": ("topic.create",),
    "subscription-topics delete": ("topic.delete",),
    "suppressions add": ("suppression.add",),
    "suppressions remove": ("suppression.remove",),
    "topics create": ("topics.create",),
}
