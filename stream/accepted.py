"""What settings accept: the types that variables are read as, each with its words of refusal."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator
from pydantic_settings import NoDecode

from state.duration import DURATION_MAX, DurationError, parse_duration
from stream.mailbox import parse_mailbox

_BROKER = re.compile(r"(?:\[[0-9a-fA-F:.]+\]|[^\s,:\[\]]+):[0-9]{1,5}")
_HOST = re.compile(r"[A-Za-z0-9_.-]+|\[?[0-9a-fA-F:.]+\]?")
_TOPIC = re.compile(r"[a-zA-Z0-9._-]{1,249}")
_DAYS = re.compile(r"([0-9]{1,6}) days?")
_DURATION = 'seconds, or a duration such as "30 minutes" or "PT30S"'


#: The longest age that a setting may name.
AGE_MAX = timedelta(days=3650)


def _span(raw: object) -> object:
    if isinstance(raw, timedelta):
        return raw
    try:
        seconds = float(str(raw))
    except ValueError:
        return _in_words(raw)
    if not 0 <= seconds <= DURATION_MAX.total_seconds():
        raise ValueError(f"expected {_DURATION}, from 0 to {DURATION_MAX.days} days")
    return timedelta(seconds=seconds)


def _in_words(raw: object) -> timedelta:
    try:
        span = parse_duration(raw)
    except DurationError:
        raise ValueError(f"expected {_DURATION}") from None
    if not span.is_exact:
        raise ValueError(f"expected {_DURATION}; here no calendar is read, so a day is PT24H")
    return span.exact


def _positive(span: timedelta) -> timedelta:
    if not span:
        raise ValueError(f"expected {_DURATION}, more than 0")
    return span


def _topic(name: str) -> str:
    if not _TOPIC.fullmatch(name):
        raise ValueError("expected letters, digits, dots, dashes and underscores, 249 at most")
    return name


def _topics(raw: object) -> object:
    if not isinstance(raw, str):
        return raw
    names = tuple(dict.fromkeys(name.strip() for name in raw.split(",") if name.strip()))
    if not names:
        raise ValueError("expected topic names, separated by commas")
    return names


def _brokers(addresses: str) -> str:
    stripped = [address.strip() for address in addresses.split(",")]
    if not all(map(_BROKER.fullmatch, stripped)):
        raise ValueError("expected host:port, several separated by commas")
    return ",".join(stripped)


def _postgres_url(url: str) -> str:
    try:
        scheme = urlsplit(url).scheme
    except ValueError:
        scheme = ""
    if scheme not in {"postgresql", "postgres"}:
        raise ValueError("expected a URL such as postgresql://user:password@host:5432/database")
    return url


def _age(raw: object) -> object:
    """Return an age, which may be longer than the longest duration of a step."""
    days = _DAYS.fullmatch(str(raw).strip())
    if days is None:
        return _span(raw)
    span = timedelta(days=int(days[1]))
    if span > AGE_MAX:
        raise ValueError(f"expected {_DURATION}, or days up to {AGE_MAX.days}")
    return span


def _host(name: str) -> str:
    if not _HOST.fullmatch(name):
        raise ValueError("expected a host's name or address, without a port")
    return name


def _hosts(raw: object) -> object:
    if not isinstance(raw, str):
        return raw
    return tuple(dict.fromkeys(name.strip().lower() for name in raw.split(",") if name.strip()))


def _mailbox(text: str) -> str:
    parse_mailbox(text)
    return text


Span = Annotated[timedelta, BeforeValidator(_span)]
PositiveSpan = Annotated[Span, AfterValidator(_positive)]
Age = Annotated[timedelta, BeforeValidator(_age), AfterValidator(_positive)]
Topic = Annotated[str, AfterValidator(_topic)]
Topics = Annotated[tuple[Topic, ...], NoDecode, BeforeValidator(_topics)]
Brokers = Annotated[str, AfterValidator(_brokers)]
PostgresUrl = Annotated[str, AfterValidator(_postgres_url)]
Host = Annotated[str, AfterValidator(_host)]
Hosts = Annotated[tuple[Host, ...], NoDecode, BeforeValidator(_hosts)]
MailboxText = Annotated[str, AfterValidator(_mailbox)]
