"""How `waitline serve` is to serve: the settings that no worker reads."""

from __future__ import annotations

from datetime import timedelta
from typing import Literal

from pydantic import BaseModel, Field

from stream.accepted import Host, Hosts, PositiveSpan


class HttpSettings(BaseModel):
    """Every field is a variable; its description is for operators."""

    http_host: Host = Field(
        "127.0.0.1",
        description="The address that `waitline serve` listens at; 0.0.0.0 is all that the machine "
        "has. It speaks no TLS: put a proxy before it where others can listen.",
    )
    http_port: int = Field(8080, ge=1, le=65_535, description="The port that it listens at.")
    http_workers: int = Field(
        1, ge=1, le=64, description="How many processes `waitline serve` starts."
    )
    http_hosts_resend: Hosts = Field(
        (),
        description="Host names, separated by commas, at which it speaks as Resend, such as "
        "api.resend.com; it does so at the root and under /resend at every other name as well.",
    )
    http_hosts_sendrealm: Hosts = Field(
        (),
        description="Host names at which it speaks as Sendrealm, such as api.sendrealm.com; it "
        "does so under /sendrealm at every name.",
    )
    http_hosts_revkeen: Hosts = Field(
        (),
        description="Host names at which it speaks as RevKeen, such as api.revkeen.com; it does so "
        "under /revkeen at every name.",
    )
    http_rate: float = Field(
        10.0,
        gt=0,
        le=1_000_000,
        description="How many requests a second an API key may make of one process.",
    )
    http_burst: int = Field(
        10, ge=1, le=1_000_000, description="How many of them it may make at once."
    )
    http_body_max: int = Field(
        1024 * 1024,
        ge=1024,
        le=64 * 1024 * 1024,
        description="The most bytes that a request's body may have.",
    )
    http_head_timeout: PositiveSpan = Field(
        timedelta(seconds=10),
        description="How long a request's head may take to come whole.",
    )
    http_body_timeout: PositiveSpan = Field(
        timedelta(seconds=20), description="How long its body may take after that."
    )
    http_keep_alive: PositiveSpan = Field(
        timedelta(seconds=60), description="How long an idle connection is kept open."
    )
    http_connections_max: int = Field(
        4000,
        ge=10,
        le=100_000,
        description="The most connections a process has; beyond, those that have been idle longest "
        "are closed. Never more than the system lets it have files.",
    )
    http_pool_max: int = Field(
        8,
        ge=1,
        le=100,
        description="The Postgres connections that a process reads by; it makes them as it starts, "
        "and up to 4 more when it writes.",
    )
    http_access_log: Literal["all", "errors"] = Field(
        "all",
        description="Which answers are logged: all, or those of 400 and above; the rest is told at "
        "DEBUG.",
    )
    http_publish_timeout: PositiveSpan = Field(
        timedelta(seconds=25),
        description="How long an event may take until Kafka has acknowledged it, before its sender "
        "is told to try again; less than clients wait, which is 30 s mostly.",
    )
