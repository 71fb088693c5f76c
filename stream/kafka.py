"""How Kafka is reached: the options that aiokafka's consumers, producers and admins all take."""

from __future__ import annotations

import ssl
from typing import Any

from stream.config import Settings


def kafka_client_options(settings: Settings) -> dict[str, Any]:
    """Return where the brokers are and how they are spoken to.

    Raises:
        OSError: if a certificate or key cannot be read.
    """
    options: dict[str, Any] = {
        "bootstrap_servers": settings.kafka_bootstrap_servers,
        "security_protocol": settings.kafka_security_protocol,
    }
    if settings.kafka_security_protocol.endswith("SSL"):
        options["ssl_context"] = _ssl_context(settings)
    if settings.kafka_security_protocol.startswith("SASL"):
        assert settings.kafka_sasl_password is not None, "Settings requires it with SASL"
        options["sasl_mechanism"] = settings.kafka_sasl_mechanism
        options["sasl_plain_username"] = settings.kafka_sasl_username
        options["sasl_plain_password"] = settings.kafka_sasl_password.get_secret_value()
    return options


def kafka_group_options(settings: Settings) -> dict[str, Any]:
    """Return the client options of a member of the consumer group."""
    return {
        **kafka_client_options(settings),
        "group_id": settings.group_id,
        "session_timeout_ms": round(settings.session_timeout.total_seconds() * 1000),
        "heartbeat_interval_ms": round(settings.heartbeat_interval.total_seconds() * 1000),
        "rebalance_timeout_ms": round(settings.rebalance_timeout.total_seconds() * 1000),
    }


def _ssl_context(settings: Settings) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=settings.kafka_ssl_cafile)
    if settings.kafka_ssl_certfile is not None:
        context.load_cert_chain(settings.kafka_ssl_certfile, settings.kafka_ssl_keyfile)
    return context
