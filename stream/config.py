"""The environment, read once: every setting with its meaning, its default and its limits."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

from annotated_types import Ge, Le
from pydantic import BeforeValidator, Field, FilePath, SecretStr, ValidationError, model_validator
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, SettingsConfigDict

from handlers.world import LOOK_BACK_MAX
from stream.accepted import (
    Age,
    Brokers,
    Host,
    MailboxText,
    PositiveSpan,
    PostgresUrl,
    Span,
    Topic,
    Topics,
)
from stream.http_settings import HttpSettings
from stream.metrics.settings import MetricsSettings
from stream.misspelt import PREFIX, misspelt
from stream.setting_text import setting_text, span_text

#: How much longer than the topics keep records event ids are remembered (rule E4).
REMEMBERED = timedelta(days=7)

_NONE = timedelta(0)


class ConfigError(Exception):
    """The environment cannot be used; one line for each problem, naming the variable."""


class Setting(NamedTuple):
    """One line of `waitline config`."""

    variable: str
    value: str
    default: str
    meaning: str


def _upper(raw: object) -> object:
    return raw.upper() if isinstance(raw, str) else raw


def _seconds(count: float) -> timedelta:
    return timedelta(seconds=count)


def _events_kept(read: dict[str, Any]) -> timedelta:
    """Return the default for events: as far as waits look back, or the memory of event ids."""
    topics_keep: timedelta = read.get("topic_retention", _NONE)
    return max(topics_keep + REMEMBERED, LOOK_BACK_MAX)


class Settings(HttpSettings, MetricsSettings, BaseSettings):
    """How this process is to run. Every field is a variable; its description is for operators."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
        populate_by_name=True,
        hide_input_in_errors=True,
    )

    kafka_bootstrap_servers: Brokers = Field(
        "localhost:9092",
        validation_alias="KAFKA_BOOTSTRAP_SERVERS",
        description="The brokers to ask first, as host:port, separated by commas.",
    )
    database_url: PostgresUrl = Field(
        "postgresql://localhost/waitline",
        validation_alias="DATABASE_URL",
        description="The Postgres database that holds everything Waitline remembers.",
    )
    topics_events: Topics = Field(
        ("waitline.events",), description="The topics that events are read from."
    )
    topics_contacts: Topics = Field(
        ("waitline.contacts",), description="The topics that contact events are read from."
    )
    topics_receipts: Topic = Field(
        "waitline.receipts", description="The topic that says what each event did."
    )
    topics_dead_letters: Topic = Field(
        "waitline.dead-letters", description="The topic that quarantined records are copied to."
    )
    kafka_security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = Field(
        "PLAINTEXT", description="How brokers are spoken to: encrypted (SSL), with a login (SASL)."
    )
    kafka_sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = Field(
        "SCRAM-SHA-512", description="How the login is made, with a SASL security protocol."
    )
    kafka_sasl_username: str | None = Field(None, description="The login's user name.")
    kafka_sasl_password: SecretStr | None = Field(None, description="The login's password.")
    kafka_ssl_cafile: FilePath | None = Field(
        None, description="The authorities that brokers' certificates are checked by (PEM file)."
    )
    kafka_ssl_certfile: FilePath | None = Field(
        None, description="This client's own certificate, where brokers ask for one (PEM file)."
    )
    kafka_ssl_keyfile: FilePath | None = Field(
        None, description="The key of this client's certificate (PEM file)."
    )
    group_id: str = Field(
        "waitline",
        min_length=1,
        max_length=249,
        description="The consumer group; workers of one group share the partitions.",
    )
    stream_epoch: str = Field(
        "1",
        min_length=1,
        max_length=64,
        description="Names one life of the topics: change it when they were deleted and made anew, "
        "for offsets begin at 0 again and old ones would mean other records.",
    )
    timeout_grace: Span = Field(
        _seconds(30),
        description="How long after a wait's deadline its timeout fires, so that an event that "
        "happened in time and comes a little late still wins; 0 is legal.",
    )
    timeout_cap: PositiveSpan = Field(
        timedelta(minutes=15),
        description="How long a timeout is held for a partition that does not advance before it "
        "fires all the same, marked fired_under_lag.",
    )
    lookback_slack: Span = Field(
        _seconds(5),
        description="How far before its floor a wait still accepts an event, for clocks that "
        "disagree; 0 is legal.",
    )
    max_event_age: PositiveSpan = Field(
        timedelta(days=7),
        description="Events that happened longer ago start no run; they still end waits.",
    )
    topic_retention: PositiveSpan = Field(
        timedelta(days=7),
        description="How long the topics keep records; event ids are remembered 7 days longer.",
    )
    run_age_max: Age = Field(
        timedelta(days=400),
        description="How long a run may last; one that is older is cancelled as expired.",
    )
    retention: Literal["on", "off"] = Field(
        "on",
        description="Whether workers drop what is older than the periods below, once an hour; if "
        "not, `waitline retention` does when it is run.",
    )
    retention_events: Age = Field(
        default_factory=_events_kept,
        description="How long events are kept, at least; longer while a live run's wait may look "
        "back to them. Never less than the topic retention and 7 days, as they are the memory of "
        "event ids.",
    )
    retention_runs: Age = Field(
        timedelta(days=400),
        description="How long finished runs are kept with their messages, at least as long as "
        "event ids are remembered.",
    )
    retention_quarantine: Age = Field(
        timedelta(days=90),
        description="How long quarantined records are kept, and notes of duplicates and of "
        "identifiers that were refused; at least the topic retention.",
    )
    batch_max: int = Field(
        3000, ge=1, le=50_000, description="The most records that one transaction takes."
    )
    session_timeout: PositiveSpan = Field(
        _seconds(30),
        description="After how long a silent worker loses its partitions; at least three "
        "heartbeats long.",
    )
    heartbeat_interval: PositiveSpan = Field(
        _seconds(3), description="How often a worker tells the broker that it lives."
    )
    rebalance_timeout: PositiveSpan = Field(
        _seconds(60), description="How long workers have to give partitions up in a rebalance."
    )
    drain_timeout: PositiveSpan = Field(
        _seconds(20),
        description="How long a stopping worker may take to finish what it has begun; shorter "
        "than the rebalance timeout.",
    )
    stall_timeout: PositiveSpan = Field(
        _seconds(60),
        description="After how long without progress, with records waiting, the watchdog renews "
        "the connection, and then the process.",
    )
    command_timeout: PositiveSpan = Field(
        _seconds(30), description="How long one SQL statement may take."
    )
    pool_max: int = Field(8, ge=1, le=100, description="The most Postgres connections a worker.")
    sender: Literal["recorder", "smtp"] = Field(
        "recorder",
        description="Who delivers e-mail: a mail server (smtp), or the recorder, which writes each "
        "message as a file.",
    )
    push_sender: Literal["recorder"] = Field(
        "recorder",
        description="Who delivers push messages, which mail servers do not: the recorder.",
    )
    outbox_dir: Path = Field(
        Path("outbox"),
        description="The recorder's folder: one .eml file an e-mail, one .json file a push.",
    )
    smtp_host: Host | None = Field(
        None, description="The mail server that e-mail is handed to, with the sender smtp."
    )
    smtp_port: Annotated[int, Ge(1), Le(65_535)] | None = Field(
        None,
        description="The mail server's port; by default 587 with starttls, 465 with tls, else 25.",
    )
    smtp_tls: Literal["starttls", "tls", "none"] = Field(
        "starttls",
        description="How the mail server is spoken to: encrypted after its greeting (starttls), "
        "from the first byte (tls), or readable by anyone in between (none).",
    )
    smtp_username: str | None = Field(None, description="The user name at the mail server.")
    smtp_password: SecretStr | None = Field(None, description="The password at the mail server.")
    smtp_from: MailboxText | None = Field(
        None,
        description="Who e-mail is from where its step does not say: an address, a name before it "
        "if wanted. Without either the send fails with from_missing.",
    )
    smtp_timeout: PositiveSpan = Field(
        _seconds(20),
        description="How long one e-mail may take, from connecting to the mail server's answer; "
        "less than half of the send lease.",
    )
    smtp_connections: int = Field(
        8,
        ge=1,
        le=100,
        description="The most connections a worker has to the mail server, and so the most "
        "messages that it sends at the same time.",
    )
    smtp_local_hostname: Host | None = Field(
        None, description="How this client names itself to the mail server; by default its host."
    )
    smtp_ca_file: FilePath | None = Field(
        None,
        description="The authorities that the mail server's certificate is checked by (PEM file), "
        "instead of the system's.",
    )
    send_concurrency: int = Field(
        16, ge=1, le=1000, description="How many messages a worker sends at the same time."
    )
    send_attempts_max: int = Field(
        8, ge=1, le=100, description="How often a send is tried before its step fails."
    )
    send_lease: PositiveSpan = Field(
        _seconds(60),
        description="How long a claimed send belongs to its worker before another may take it.",
    )
    log_format: Literal["auto", "console", "json"] = Field(
        "auto", description="The form of logs; auto is console on a terminal, else json."
    )
    log_level: Annotated[Literal["DEBUG", "INFO", "WARNING", "ERROR"], BeforeValidator(_upper)] = (
        Field("INFO", description="The least urgent log lines that are written.")
    )
    workers: int = Field(
        1, ge=1, le=64, description="How many worker processes `waitline run` starts."
    )

    @model_validator(mode="after")
    def _fits_together(self) -> Settings:
        if misfits := list(_misfits(self)):
            raise ValueError("\n".join(misfits))
        return self

    @property
    def topics_in(self) -> tuple[str, ...]:
        """Return all topics that are read."""
        return self.topics_events + self.topics_contacts


def load_settings() -> Settings:
    """Read the environment.

    Raises:
        ConfigError: with a line for each variable that cannot be used, and what is accepted.
    """
    try:
        return Settings()
    except ValidationError as error:
        problems = error.errors(include_url=False)
        # A default that follows from a variable that cannot be used is no problem of its own.
        lines = [_line(one) for one in problems if one["type"] != "default_factory_not_called"]
        raise ConfigError("\n".join(lines)) from None


def describe(settings: Settings) -> list[Setting]:
    """Return every setting for people to read, metrics' and HTTP's last; passwords are masked."""
    lasts = MetricsSettings.model_fields.keys() | HttpSettings.model_fields.keys()
    return [
        Setting(
            _variable(name),
            setting_text(getattr(settings, name)),
            setting_text(_default_of(field)),
            str(field.description),
        )
        for name, field in sorted(Settings.model_fields.items(), key=lambda one: one[0] in lasts)
    ]


def _default_of(field: FieldInfo) -> object:
    bare = {"topic_retention": Settings.model_fields["topic_retention"].default}
    return field.get_default(call_default_factory=True, validated_data=bare)


def misspelt_settings() -> dict[str, str]:
    """Return the variables of the environment that are nearly settings, each with that setting."""
    return misspelt(os.environ, [_variable(name) for name in Settings.model_fields])


def _variable(name: str) -> str:
    alias = Settings.model_fields[name].validation_alias
    return alias if isinstance(alias, str) else PREFIX + name.upper()


def _misfits(settings: Settings) -> Iterator[str]:
    """Say which settings, each right by itself, do not fit together."""
    if settings.session_timeout < 3 * settings.heartbeat_interval:
        yield f"{PREFIX}SESSION_TIMEOUT: expected at least 3 times {PREFIX}HEARTBEAT_INTERVAL"
    if settings.drain_timeout >= settings.rebalance_timeout:
        yield f"{PREFIX}DRAIN_TIMEOUT: expected less than {PREFIX}REBALANCE_TIMEOUT"
    yield from _too_short(settings)
    topics = [*settings.topics_in, settings.topics_receipts, settings.topics_dead_letters]
    for topic, times in Counter(topics).items():
        if times > 1:
            yield f"{PREFIX}TOPICS_...: expected each topic in one place, {topic} is in {times}"
    if settings.kafka_security_protocol.startswith("SASL"):
        for name in ("kafka_sasl_username", "kafka_sasl_password"):
            if getattr(settings, name) is None:
                yield f"{_variable(name)}: expected with SASL in {PREFIX}KAFKA_SECURITY_PROTOCOL"
    if settings.sender == "smtp":
        yield from _smtp_misfits(settings)


def _smtp_misfits(settings: Settings) -> Iterator[str]:
    if settings.smtp_host is None:
        yield f"{PREFIX}SMTP_HOST: expected with {PREFIX}SENDER=smtp: the mail server's name"
    if (settings.smtp_username is None) != (settings.smtp_password is None):
        yield f"{PREFIX}SMTP_USERNAME: expected together with {PREFIX}SMTP_PASSWORD, or neither"
    if settings.smtp_username is not None and settings.smtp_tls == "none":
        yield f"{PREFIX}SMTP_TLS: expected starttls or tls, for the password is not to be read"
    if settings.smtp_timeout >= settings.send_lease / 2:
        yield f"{PREFIX}SMTP_TIMEOUT: expected less than half of {PREFIX}SEND_LEASE"


def _too_short(settings: Settings) -> Iterator[str]:
    """Say what would be forgotten while the topics can still bring it back (rules E4, F2)."""
    remembered = settings.topic_retention + REMEMBERED
    for name in ("retention_events", "retention_runs"):
        if getattr(settings, name) < remembered:
            yield (
                f"{_variable(name)}: expected at least {span_text(remembered)}, "
                f"{PREFIX}TOPIC_RETENTION and {REMEMBERED.days} days"
            )
    if settings.retention_quarantine < settings.topic_retention:
        yield f"{_variable('retention_quarantine')}: expected at least {PREFIX}TOPIC_RETENTION"


def _line(problem: ErrorDetails) -> str:
    if not problem["loc"]:  # settings that do not fit together; the text names them
        return str(problem["ctx"]["error"])
    name = str(problem["loc"][0]).lower()
    return f"{_variable(name)}: {_expected(problem, Settings.model_fields[name])}"


def _expected(problem: ErrorDetails, field: FieldInfo) -> str:
    context = problem.get("ctx", {})
    if problem["type"] == "value_error":
        return str(context["error"])
    if problem["type"] == "literal_error":
        return f"expected one of {context['expected']}"
    if field.annotation is int:
        least = next(limit.ge for limit in field.metadata if isinstance(limit, Ge))
        most = next(limit.le for limit in field.metadata if isinstance(limit, Le))
        return f"expected a whole number from {least} to {most}"
    return problem["msg"]
