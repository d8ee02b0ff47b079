"""The messages of QSRE: monitoring rules of a deployed service."""

from pydantic import Field

from workflows.messages.infra import NAME
from workflows.messages.message import Message


class MonitoringRequest(Message):
    """Monitor a service. ``availability`` is the share of requests that must succeed.

    ``key`` identifies the effect (`workflows.platform.effects.effect_key`).
    """

    environment: str = Field(pattern=NAME)
    service: str = Field(pattern=NAME)
    key: str = Field(min_length=1)
    availability: float = Field(default=0.999, gt=0, lt=1)
    latency_seconds: float = Field(default=0.5, gt=0)
    """The highest acceptable 95th percentile."""
    owner: str | None = None


class Monitoring(Message):
    """The installed rules."""

    environment: str
    service: str
    file: str
    """Name of the rules file, for Prometheus' ``rule_files``."""
    records: tuple[str, ...]
    alerts: tuple[str, ...]
    sha256: str


class RemoveMonitoringRequest(Message):
    """Stop monitoring a service.

    With a ``key``, only if the rules were installed under it; later attempts to install rules
    under that key are refused.
    """

    environment: str = Field(pattern=NAME)
    service: str = Field(pattern=NAME)
    key: str | None = None


class MonitoringRemoved(Message):
    """``removed`` is false if there were no rules."""

    environment: str
    service: str
    removed: bool
