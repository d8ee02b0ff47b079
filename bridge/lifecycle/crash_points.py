"""Points at which tests kill the daemon, as a power cut would, or freeze it, as a host may.

``NTBRIDGE_CRASH_AT=<point>[:<nth>]`` in the environment has the process kill itself (SIGKILL: no
handler runs, nothing is flushed) when it passes that point for the n-th time, by default the
first; ``NTBRIDGE_FREEZE_AT`` has it stop there (SIGSTOP) until somebody lets it go on. Without the
variables, a point is one comparison.

`POINTS` is the whole list; a test proves that each is passed somewhere in the code, and that
the code passes no other. The matrix in ``tests/crash/matrix`` kills the daemon at every one of
them.
"""

import os
import signal
from collections.abc import Mapping
from typing import Final

VARIABLE: Final = "NTBRIDGE_CRASH_AT"
FREEZE: Final = "NTBRIDGE_FREEZE_AT"

_SIGNALS: Final[Mapping[str, signal.Signals]] = {
    VARIABLE: signal.SIGKILL,
    FREEZE: signal.SIGSTOP,
}

POINTS: Final[Mapping[str, str]] = {
    "intake.fetched": "messages are in hand, not looked at",
    "intake.matched": "they are decoded and their plan is made, in memory only",
    "intake.before-commit": "everything is written, in a transaction that is still open",
    "intake.after-commit": "event and plan are in the database, the delivery is not acknowledged",
    "intake.acked": "the acknowledgement is sent",
    "dispatch.taken": "dispatches are read and in their lanes",
    "dispatch.before-call": "Temporal is about to be called",
    "dispatch.after-call": "Temporal has answered, nothing is written",
    "dispatch.before-settle": "the outcomes of a group are about to be written, in one commit",
    "dispatch.settled": "the outcome is in the database",
    "dispatch.resolved": "the run that is meant is known, in memory only",
    "dispatch.resolution-stored": "the run that is meant is in the database, not yet ended",
    "dead-letter.before-commit": "the letter is written, in a transaction that is still open",
    "dead-letter.after-commit": "the letter is in the database, nobody was told",
    "dead-letter.published": "its notice is on NATS, not yet marked as such",
    "dead-letter.marked": "its notice is marked as published",
    "emit.appended": "a workflow's result events are in the store, it was not told",
    "closures.before-commit": "how runs ended is written, in a transaction that is still open",
    "closures.announced": "the result events about their ends are in the store",
    "relay.before-publish": "result events are rendered, not sent",
    "relay.staged": "a batch is sent but for its last message, which commits it",
    "relay.acknowledged": "NATS has them, the checkpoint is behind",
    "relay.checkpointed": "the checkpoint is saved",
}
"""By name: what has happened when the process dies there, and what has not."""


class _Armed:
    """The one point at which something is to happen to this process."""

    def __init__(self, variable: str, text: str) -> None:
        self.signal = _SIGNALS[variable]
        self.name, _, nth = text.partition(":")
        self.left = int(nth or 1)
        if self.name not in POINTS or self.left < 1:
            raise ValueError(
                f"{variable}={text!r} names no crash point; there are {', '.join(POINTS)}, each "
                "with ':<nth>' behind it if it is not to be the first time"
            )


_ARMED = next((_Armed(name, os.environ[name]) for name in _SIGNALS if name in os.environ), None)


def fault(name: str) -> None:
    """Die here, or stop, if this is the point and the time."""
    if _ARMED is None or _ARMED.name != name:
        return
    _ARMED.left -= 1
    if _ARMED.left == 0:
        os.kill(os.getpid(), _ARMED.signal)
