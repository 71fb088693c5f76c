"""The environment: defaults, what is accepted, and what is said where it is not."""

import ssl
from datetime import timedelta
from pathlib import Path

import pytest
from pydantic import ValidationError

from stream.config import ConfigError, Settings, describe, load_settings
from stream.kafka import kafka_client_options, kafka_group_options


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch) -> None:
    """Begin with none of the variables set."""
    for setting in describe(Settings()):
        monkeypatch.delenv(setting.variable, raising=False)


def problems(monkeypatch: pytest.MonkeyPatch, **variables: str) -> list[str]:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ConfigError) as raised:
        load_settings()
    return str(raised.value).splitlines()


def test_an_empty_environment_is_enough() -> None:
    settings = load_settings()
    assert settings.kafka_bootstrap_servers == "localhost:9092"
    assert settings.database_url == "postgresql://localhost/waitline"
    assert settings.topics_in == ("waitline.events", "waitline.contacts")
    assert settings.timeout_grace == timedelta(seconds=30)
    assert settings.timeout_cap == timedelta(minutes=15)
    assert settings.lookback_slack == timedelta(seconds=5)
    assert settings.max_event_age == timedelta(days=7)


def test_variables_are_read_by_their_documented_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", "a:1, [::1]:2")
    monkeypatch.setenv("DATABASE_URL", "postgres://u:p@h:5433/d")
    monkeypatch.setenv("WAITLINE_TOPICS_EVENTS", "shop.events, app.events,shop.events,")
    monkeypatch.setenv("WAITLINE_BATCH_MAX", "7")
    monkeypatch.setenv("WAITLINE_OUTBOX_DIR", "/var/outbox")
    settings = load_settings()
    assert settings.kafka_bootstrap_servers == "a:1,[::1]:2"
    assert settings.database_url == "postgres://u:p@h:5433/d"
    assert settings.topics_events == ("shop.events", "app.events")
    assert settings.batch_max == 7
    assert settings.outbox_dir == Path("/var/outbox")


def test_a_variable_that_is_empty_counts_as_unset(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WAITLINE_POOL_MAX", "")
    assert load_settings().pool_max == 8


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("45", timedelta(seconds=45)),
        ("0.25", timedelta(milliseconds=250)),
        ("0", timedelta(0)),
        ("30 minutes", timedelta(minutes=30)),
        ("PT30S", timedelta(seconds=30)),
    ],
)
def test_durations_are_seconds_or_words(
    monkeypatch: pytest.MonkeyPatch, written: str, meant: timedelta
) -> None:
    """W2, W4: grace and slack may be 0, as tests have them."""
    monkeypatch.setenv("WAITLINE_TIMEOUT_GRACE", written)
    monkeypatch.setenv("WAITLINE_LOOKBACK_SLACK", written)
    settings = load_settings()
    assert settings.timeout_grace == settings.lookback_slack == meant


@pytest.mark.parametrize(
    "written", ["soon", "-1", "nan", "inf", "1e99", "P1M", "P1D", "P1DT1H", "31622401", "0 s"]
)
def test_other_durations_are_refused(monkeypatch: pytest.MonkeyPatch, written: str) -> None:
    [line] = problems(monkeypatch, WAITLINE_TIMEOUT_GRACE=written)
    assert line.startswith("WAITLINE_TIMEOUT_GRACE: expected seconds, or a duration such as")


@pytest.mark.parametrize(
    ("written", "days"), [("500 days", 500), ("1 day", 1), ("86400", 1), ("3650 days", 3650)]
)
def test_a_runs_age_may_be_longer_than_any_step(
    monkeypatch: pytest.MonkeyPatch, written: str, days: int
) -> None:
    """R2: runs live longer than the longest delay."""
    monkeypatch.setenv("WAITLINE_RUN_AGE_MAX", written)
    assert load_settings().run_age_max == timedelta(days=days)


@pytest.mark.parametrize("written", ["0 days", "3651 days", "a year", "0"])
def test_other_ages_are_refused(monkeypatch: pytest.MonkeyPatch, written: str) -> None:
    [line] = problems(monkeypatch, WAITLINE_RUN_AGE_MAX=written)
    assert line.startswith("WAITLINE_RUN_AGE_MAX: expected seconds, or a duration such as")


def test_a_setting_is_no_calendar_duration(monkeypatch: pytest.MonkeyPatch) -> None:
    """T1: settings belong to no contact, so there is no zone to count days in."""
    [line] = problems(monkeypatch, WAITLINE_TIMEOUT_CAP="P1D")
    assert line.endswith("; here no calendar is read, so a day is PT24H")


def test_every_problem_is_a_line_that_names_the_variable_and_what_is_accepted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lines = problems(
        monkeypatch,
        KAFKA_BOOTSTRAP_SERVERS="broker",
        DATABASE_URL="mysql://user:hunter2@host/db",
        WAITLINE_TOPICS_EVENTS="a,b c",
        WAITLINE_TOPICS_CONTACTS=",",
        WAITLINE_TIMEOUT_CAP="0",
        WAITLINE_POOL_MAX="many",
        WAITLINE_BATCH_MAX="0",
        WAITLINE_WORKERS="2.5",
        WAITLINE_LOG_LEVEL="loud",
        WAITLINE_KAFKA_SSL_CAFILE="/nowhere.pem",
    )
    assert sorted(lines) == [
        "DATABASE_URL: expected a URL such as postgresql://user:password@host:5432/database",
        "KAFKA_BOOTSTRAP_SERVERS: expected host:port, several separated by commas",
        "WAITLINE_BATCH_MAX: expected a whole number from 1 to 50000",
        "WAITLINE_KAFKA_SSL_CAFILE: Path does not point to a file",
        "WAITLINE_LOG_LEVEL: expected one of 'DEBUG', 'INFO', 'WARNING' or 'ERROR'",
        "WAITLINE_POOL_MAX: expected a whole number from 1 to 100",
        'WAITLINE_TIMEOUT_CAP: expected seconds, or a duration such as "30 minutes" or "PT30S", '
        "more than 0",
        "WAITLINE_TOPICS_CONTACTS: expected topic names, separated by commas",
        "WAITLINE_TOPICS_EVENTS: expected letters, digits, dots, dashes and underscores, 249 at "
        "most",
        "WAITLINE_WORKERS: expected a whole number from 1 to 64",
    ]


def test_settings_that_do_not_fit_together_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = problems(
        monkeypatch,
        WAITLINE_SESSION_TIMEOUT="5",
        WAITLINE_DRAIN_TIMEOUT="60",
        WAITLINE_TOPICS_RECEIPTS="waitline.events",
        WAITLINE_KAFKA_SECURITY_PROTOCOL="SASL_SSL",
    )
    assert [line.split(":")[0] for line in lines] == [
        "WAITLINE_SESSION_TIMEOUT",
        "WAITLINE_DRAIN_TIMEOUT",
        "WAITLINE_TOPICS_...",
        "WAITLINE_KAFKA_SASL_USERNAME",
        "WAITLINE_KAFKA_SASL_PASSWORD",
    ]


def test_the_mail_server_has_to_be_said(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = problems(monkeypatch, WAITLINE_SENDER="smtp")
    assert lines == [
        "WAITLINE_SMTP_HOST: expected with WAITLINE_SENDER=smtp: the mail server's name"
    ]
    lines = problems(
        monkeypatch,
        WAITLINE_SMTP_HOST="mail.example.com",
        WAITLINE_SMTP_TLS="none",
        WAITLINE_SMTP_USERNAME="shop",
        WAITLINE_SMTP_TIMEOUT="30",
    )
    assert [line.split(":")[0] for line in lines] == [
        "WAITLINE_SMTP_USERNAME",
        "WAITLINE_SMTP_TLS",
        "WAITLINE_SMTP_TIMEOUT",
    ]
    lines = problems(
        monkeypatch,
        WAITLINE_SENDER="pigeon",
        WAITLINE_PUSH_SENDER="smtp",
        WAITLINE_SMTP_HOST="mail.example.com:25",
        WAITLINE_SMTP_PORT="0",
        WAITLINE_SMTP_FROM="shop",
        WAITLINE_SMTP_CA_FILE="/nowhere.pem",
    )
    assert sorted(line.split(": expected")[0] for line in lines) == [
        "WAITLINE_PUSH_SENDER",
        "WAITLINE_SENDER",
        "WAITLINE_SMTP_CA_FILE: Path does not point to a file",
        "WAITLINE_SMTP_FROM",
        "WAITLINE_SMTP_HOST",
        "WAITLINE_SMTP_PORT: Input should be greater than or equal to 1",
    ]


def test_settings_do_not_change() -> None:
    settings = load_settings()
    with pytest.raises(ValidationError):
        settings.workers = 2


def test_every_setting_is_described_with_its_meaning() -> None:
    described = describe(load_settings())
    assert len({setting.variable for setting in described}) == len(Settings.model_fields)
    for setting in described:
        assert setting.variable in {"KAFKA_BOOTSTRAP_SERVERS", "DATABASE_URL"} or (
            setting.variable.startswith("WAITLINE_")
        )
        assert setting.meaning.endswith(".")
        assert setting.value == setting.default


def test_what_is_described_can_be_set(monkeypatch: pytest.MonkeyPatch) -> None:
    """A value that is shown is a value that is accepted."""
    for setting in describe(load_settings()):
        monkeypatch.setenv(setting.variable, setting.value)
    assert load_settings() == Settings()


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://u:hunter2@h/d", "postgresql://u:***@h/d"),
        ("postgresql://u:hunt:er@2@h/d", "postgresql://u:***@h/d"),
        ("postgresql://h/d?user=u&password=hunter2&ssl=x", "postgresql://h/d?user=u&password=***&ssl=x"),
        ("postgresql://u@h:5432/d", "postgresql://u@h:5432/d"),
        ("postgresql:///d?host=/tmp", "postgresql:///d?host=/tmp"),
    ],
)  # fmt: skip
def test_the_database_password_is_not_shown(
    monkeypatch: pytest.MonkeyPatch, url: str, shown: str
) -> None:
    monkeypatch.setenv("DATABASE_URL", url)
    assert describe(load_settings())[1].value == shown


def test_passwords_are_neither_shown_nor_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WAITLINE_KAFKA_SASL_PASSWORD", "hunter2")
    settings = load_settings()
    assert "hunter2" not in f"{settings!r} {describe(settings)}"
    lines = problems(monkeypatch, DATABASE_URL="mysql://u:hunter2@h/d", WAITLINE_WORKERS="0")
    assert "hunter2" not in "".join(lines)


def test_kafka_is_reached_as_the_settings_say(monkeypatch: pytest.MonkeyPatch) -> None:
    assert kafka_client_options(load_settings()) == {
        "bootstrap_servers": "localhost:9092",
        "security_protocol": "PLAINTEXT",
    }
    monkeypatch.setenv("WAITLINE_KAFKA_SECURITY_PROTOCOL", "SASL_SSL")
    monkeypatch.setenv("WAITLINE_KAFKA_SASL_USERNAME", "waitline")
    monkeypatch.setenv("WAITLINE_KAFKA_SASL_PASSWORD", "hunter2")
    options = kafka_client_options(load_settings())
    context = options.pop("ssl_context")
    assert isinstance(context, ssl.SSLContext)
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname
    assert options == {
        "bootstrap_servers": "localhost:9092",
        "security_protocol": "SASL_SSL",
        "sasl_mechanism": "SCRAM-SHA-512",
        "sasl_plain_username": "waitline",
        "sasl_plain_password": "hunter2",
    }


def test_a_group_member_has_explicit_timeouts() -> None:
    """K6: aiokafka would take the session timeout for the rebalance timeout."""
    options = kafka_group_options(load_settings())
    assert options["group_id"] == "waitline"
    assert options["session_timeout_ms"] == 30_000
    assert options["heartbeat_interval_ms"] == 3_000
    assert options["rebalance_timeout_ms"] == 60_000


def test_events_are_kept_as_long_as_waits_look_back_and_event_ids_are_remembered(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """O5, E4, W2: 35 days, or the topics' retention and 7 days where that is longer."""
    assert load_settings().retention_events == timedelta(days=35)
    assert _shown_default("WAITLINE_RETENTION_EVENTS") == "35 days"
    monkeypatch.setenv("WAITLINE_TOPIC_RETENTION", "60 days")
    assert load_settings().retention_events == timedelta(days=67)
    assert _shown_default("WAITLINE_RETENTION_EVENTS") == "35 days"
    monkeypatch.setenv("WAITLINE_RETENTION_EVENTS", "1000 days")
    assert load_settings().retention_events == timedelta(days=1000)


def _shown_default(variable: str) -> str:
    return next(one.default for one in describe(load_settings()) if one.variable == variable)


def test_nothing_is_forgotten_that_the_topics_can_still_bring_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """O5, E4, F2: at the edge it is legal, below it every such variable is named."""
    names = ("WAITLINE_RETENTION_EVENTS", "WAITLINE_RETENTION_RUNS")
    for name in names:
        monkeypatch.setenv(name, "14 days")
    monkeypatch.setenv("WAITLINE_RETENTION_QUARANTINE", "7 days")
    load_settings()
    assert problems(monkeypatch, WAITLINE_TOPIC_RETENTION="8 days") == [
        "WAITLINE_RETENTION_EVENTS: expected at least 15 days, WAITLINE_TOPIC_RETENTION and 7 days",
        "WAITLINE_RETENTION_RUNS: expected at least 15 days, WAITLINE_TOPIC_RETENTION and 7 days",
        "WAITLINE_RETENTION_QUARANTINE: expected at least WAITLINE_TOPIC_RETENTION",
    ]
