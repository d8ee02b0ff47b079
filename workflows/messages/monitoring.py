"""The messages of QSRE: rules that watch a deployed service."""

from pydantic import Field

from workflows.messages.infra import NAME
from workflows.messages.message import Message


class MonitoringRequest(Message):
    """Watch a service. ``availability`` is the share of requests that must succeed."""

    environment: str = Field(pattern=NAME)
    service: str = Field(pattern=NAME)
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
    """Watch a service no longer."""

    environment: str = Field(pattern=NAME)
    service: str = Field(pattern=NAME)


class MonitoringRemoved(Message):
    """``removed`` is false when there was nothing to remove."""

    environment: str
    service: str
    removed: bool
