"""The types of the bridge's own events, and how readers recognise these events. Pure.

The types begin with a prefix, the setting ``type_prefix``. An event keeps the type with which it was
recorded, so a store has events of several prefixes after the setting was changed. Therefore no reader
compares the prefix.

====================================  ====================================================
type                                  event
====================================  ====================================================
``<prefix>.workflow.<status>.v1``     the end of a run (a closure)
``<prefix>.bridge.dead-lettered.v1``  the notice of a dead letter
``<prefix>.<subject>``                a message of a source that sets no type
====================================  ====================================================
"""

import re
from typing import Final

DEFAULT_PREFIX: Final = "dev.ntbridge"
PREFIX_PATTERN: Final = (
    r"^[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?)*$"
)
"""A reverse domain name, such as ``com.example``."""
ENDED: Final = frozenset({"completed", "failed", "timed-out", "canceled", "terminated"})
"""Statuses of a run that has ended."""
CONTINUED: Final = "continued-as-new"
"""The status of a run that continued in a run that Temporal no longer has."""

_CLOSURES: Final = "results.workflow."
_STATUS = re.compile(rf"\.workflow\.({'|'.join(sorted({*ENDED, CONTINUED}))})\.v\d+\Z")


def closure_type(prefix: str, status: str) -> str:
    """Return the type of the event for the end of a run, by the run's status."""
    return f"{prefix}.workflow.{status}.v1"


def dead_letter_type(prefix: str) -> str:
    """Return the type of the notice of a dead letter."""
    return f"{prefix}.bridge.dead-lettered.v1"


def message_type(prefix: str, topic: str) -> str:
    """Return the type of a message that is not a CloudEvent: ``<prefix>.<topic>``.

    Args:
        prefix: The setting ``type_prefix``.
        topic: The message's NATS subject, without the prefix of streams and subjects.
    """
    return f"{prefix}.{topic}"


def closure_status(event_type: str, topic: str) -> str | None:
    """Return the status that a closure reports, None if the event is not a closure.

    Args:
        event_type: The event's type, with any prefix.
        topic: The subject it was published on, without the prefix of streams and subjects.
    """
    found = _STATUS.search(event_type) if topic.startswith(_CLOSURES) else None
    return None if found is None else found[1]
