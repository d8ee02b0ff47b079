"""The expected version of an append's stream. Pure."""

from dataclasses import dataclass
from typing import assert_never


@dataclass(frozen=True, slots=True)
class Any:
    """No expectation: append after the last event, if any."""


@dataclass(frozen=True, slots=True)
class NoStream:
    """The stream has no events yet."""


@dataclass(frozen=True, slots=True)
class StreamExists:
    """The stream has at least one event."""


@dataclass(frozen=True, slots=True)
class Exact:
    """The stream's last event has this version; 0 means that there is none."""

    version: int

    def __post_init__(self) -> None:
        if self.version < 0:
            raise ValueError(f"versions count from 1, and 0 is an empty stream: {self.version}")


ExpectedVersion = Any | NoStream | StreamExists | Exact


ANY = Any()
"""No expectation; the default wherever one can be given."""


def holds(expected: ExpectedVersion, actual: int) -> bool:
    """Return whether a stream at version ``actual`` (0: no events) is as expected.

    ``append_events`` in the database applies the same rule to the result of `encode`.
    """
    match expected:
        case Any():
            return True
        case NoStream():
            return actual == 0
        case StreamExists():
            return actual > 0
        case Exact(version):
            return actual == version
    assert_never(expected)


def encode(expected: ExpectedVersion) -> int | None:
    """Return an expectation as ``append_events`` takes it: None for any, -1 for some, else exact."""
    match expected:
        case Any():
            return None
        case NoStream():
            return 0
        case StreamExists():
            return -1
        case Exact(version):
            return version
    assert_never(expected)


def describe(expected: ExpectedVersion) -> str:
    """Return an expectation in words, for messages."""
    match expected:
        case Any():
            return "anything"
        case NoStream():
            return "no stream"
        case StreamExists():
            return "an existing stream"
        case Exact(version):
            return f"version {version}"
    assert_never(expected)
