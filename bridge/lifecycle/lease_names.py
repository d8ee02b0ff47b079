"""The names of all leases and checkpoints of the daemon. Pure.

A name is a kind, or a kind, a slash and what of it the lease is for: ``partition/7``. Each stands
here once, so that its holder and the checks that look for it agree.
"""

from uuid import UUID

RELAY = "relay"
CLOSURES = "closures"
SLOTS = "slots"
DEAD_LETTER_NOTICES = "dead-letter-notices"
REMOVAL = "removal"
"""Of the command that removes bodies of events; no daemon holds it."""

RELAY_CHECKPOINT = "relay"
"""Result events at or below this checkpoint are on the stream or set aside."""

DAEMON_PREFIX = "daemon/"
PARTITION_PREFIX = "partition/"
REPLAY_PREFIX = "replay/"
LIMIT_PREFIX = "limit/"
"""Of the units of routes' limits, and the requests for them (`bridge.dispatch.sharing`)."""

KINDS = (
    "daemon",
    "partition",
    "source",
    RELAY,
    CLOSURES,
    SLOTS,
    DEAD_LETTER_NOTICES,
    "limit",
)
"""The kinds of the leases that daemons hold."""


def daemon_lease(owner: str) -> str:
    """Return the lease that a daemon holds while it is alive."""
    return f"{DAEMON_PREFIX}{owner}"


def partition_lease(number: int) -> str:
    """Return the lease of a partition of the dispatches."""
    return f"{PARTITION_PREFIX}{number}"


def source_lease(name: str) -> str:
    """Return the lease under which one daemon fetches from a source."""
    return f"source/{name}"


def closures_lease(namespace: str) -> str:
    """Return the lease under which one daemon records the closures of a namespace."""
    return f"{CLOSURES}/{namespace}" if namespace else CLOSURES


def slots_lease(namespace: str) -> str:
    """Return the lease under which one daemon cancels runs whose slots are wanted, in a namespace."""
    return f"{SLOTS}/{namespace}" if namespace else SLOTS


def replay_lease(replay: UUID) -> str:
    """Return the lease under which one process runs a replay."""
    return f"{REPLAY_PREFIX}{replay}"


def kind_of(lease: str) -> str:
    """Return the kind of a lease: the part of its name before the first slash."""
    return lease.partition("/")[0]
