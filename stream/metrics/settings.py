"""Where a process offers its metrics: the settings that workers and servers share."""

from __future__ import annotations

from typing import Annotated

from annotated_types import Ge, Le
from pydantic import BaseModel, Field

from stream.accepted import Host


class MetricsSettings(BaseModel):
    """Every field is a variable; its description is for operators."""

    metrics_host: Host = Field(
        "127.0.0.1",
        description="The address that metrics are offered at; they are not for the public.",
    )
    metrics_port: Annotated[int, Ge(1), Le(65_535)] | None = Field(
        None,
        description="The port that `waitline run` or `waitline serve` offers its metrics at, in "
        "Prometheus' text form, at /metrics; each further process of it at the next port. Both "
        "on one machine need a port each. Without it nothing is offered.",
    )
