"""Which sender carries which messages, as the settings say."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable, Mapping

from stream.config import ConfigError, Settings
from stream.mailbox import parse_mailbox
from stream.senders.recorder import Recorder
from stream.senders.sender import Sender, Senders
from stream.senders.smtp import Smtp, SmtpLimits
from stream.senders.smtp_server import Server

#: Where servers listen, by how the connection is encrypted (RFC 8314; RFC 5321).
SMTP_PORTS = {"starttls": 587, "tls": 465, "none": 25}


def open_senders(settings: Settings) -> Senders:
    """Return the sender of each channel. Nothing is connected to yet.

    Raises:
        ConfigError: a file that a setting names cannot be used.
    """
    return {
        "email": SENDERS[settings.sender](settings),
        "push": SENDERS[settings.push_sender](settings),
    }


async def close_senders(senders: Senders) -> None:
    """Let every sender go."""
    async with asyncio.TaskGroup() as group:
        for sender in senders.values():
            group.create_task(sender.close())


def concurrency(settings: Settings) -> int:
    """Return how many messages may be in flight: none waits for a session while its lease runs."""
    limit = settings.send_concurrency
    return min(limit, settings.smtp_connections) if settings.sender == "smtp" else limit


def _recorder(settings: Settings) -> Sender:
    return Recorder(settings.outbox_dir)


def _smtp(settings: Settings) -> Sender:
    assert settings.smtp_host is not None, "Settings requires it with this sender"
    login = None
    if settings.smtp_username is not None and settings.smtp_password is not None:
        login = (settings.smtp_username, settings.smtp_password.get_secret_value())
    server = Server(
        host=settings.smtp_host,
        port=settings.smtp_port or SMTP_PORTS[settings.smtp_tls],
        tls=settings.smtp_tls,
        trusted=_trusted(settings),
        local_hostname=settings.smtp_local_hostname or socket.gethostname(),
        login=login,
    )
    limits = SmtpLimits(settings.smtp_timeout, settings.smtp_connections)
    default_from = None if settings.smtp_from is None else parse_mailbox(settings.smtp_from)
    return Smtp(server, limits, default_from)


def _trusted(settings: Settings) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=settings.smtp_ca_file)
    except OSError as error:
        raise ConfigError(f"WAITLINE_SMTP_CA_FILE: expected certificates (PEM): {error}") from None


#: A sender is chosen by its name: a new one is an entry here and a word in the setting.
SENDERS: Mapping[str, Callable[[Settings], Sender]] = {"recorder": _recorder, "smtp": _smtp}
