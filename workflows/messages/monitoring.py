"""The messages of QSRE: rules that watch a deployed service."""

from pydantic import Field

from workflows.messages.infra import NAME
from workflows.messages.message import Message


class MonitoringRequest(Message):
    """Watch a service. ``availability`` is the share of requests that must succeed.

    ``key`` says for whom (`workflows.platform.effects.effect_key`).
    """

    environment: str = Field(pattern=NAME)
    service: str = Field(pattern=NAME)
    key: str = Field(min_length=1)
    availability: float = Field(default=0.999, gt=0, lt=1)
    latency_seconds: float = Field(default=0.5, gt=0)
    """The 95th percentile that is still well."""
    owner: str | None = None


class Monitoring(Message):
    """The rules that are in force."""

    environment: str
    service: str
    file: str
    """Name of the rules file, for Prometheus' ``rule_files``."""
    records: tuple[str, ...]
    alerts: tuple[str, ...]
    sha256: str


class RemoveMonitoringRequest(Message):
    """Watch a service no longer.

    With a ``key`` only if it was under that key that it was watched, and nothing is set up under
    the key any more: a try that comes late is refused.
    """

    environment: str = Field(pattern=NAME)
    service: str = Field(pattern=NAME)
    key: str | None = None


class MonitoringRemoved(Message):
    """``removed`` is false when there was nothing to remove."""

    environment: str
    service: str
    removed: bool
