"""Points at which tests kill or freeze the daemon.

With ``NTBRIDGE_CRASH_AT=<point>[:<nth>]`` in the environment, the process kills itself (SIGKILL: no
handler runs, nothing is flushed) when it passes that point for the n-th time, by default the
first. With ``NTBRIDGE_FREEZE_AT`` it stops there (SIGSTOP) until it receives SIGCONT. Without the
variables, a point costs one comparison.

`POINTS` is the whole list. A test proves that the code passes each of them and no other. The
matrix in ``tests/crash/matrix`` kills the daemon at every one.
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
    "intake.begun": "where a source begins is in the database, its consumer does not exist",
    "intake.fetched": "messages are fetched, not decoded",
    "intake.matched": "messages are decoded and planned, in memory only",
    "intake.before-commit": "events and plan are about to be committed, as one statement or in an open transaction",
    "intake.after-commit": "event and plan are in the database, the delivery is not acknowledged",
    "intake.acked": "the acknowledgement is sent",
    "windows.before-close": "windows are about to be closed, in one commit",
    "windows.closed": "windows are closed, their calls are due",
    "dispatch.handed": "a dispatch went from intake's memory into its lane, without a read",
    "dispatch.taken": "dispatches are read and in their lanes",
    "dispatch.before-call": "Temporal is about to be called",
    "dispatch.after-call": "Temporal has answered, nothing is written",
    "dispatch.before-settle": "the outcomes of a group are about to be written, in one commit",
    "dispatch.settled": "the outcome is in the database",
    "dispatch.resolved": "the target run is known, in memory only",
    "dispatch.resolution-stored": "the target run is in the database, not yet cancelled or terminated",
    "dead-letter.before-commit": "the letter is written, in a transaction that is still open",
    "dead-letter.after-commit": "the letter is in the database, its notice is not sent",
    "dead-letter.published": "its notice is on NATS, not yet marked as such",
    "dead-letter.marked": "its notice is marked as published",
    "emit.appended": "result events are in the store, the activity has not returned",
    "closures.before-commit": "the ends of runs are written, in a transaction that is still open",
    "closures.announced": "the closure events are in the store",
    "slots.granted": "the end of a run and the next start of its key are in the database",
    "slots.before-cancel": "a run whose slot is wanted is about to be cancelled",
    "slots.cancelled": "Temporal has accepted the request to cancel a run, which is not noted",
    "relay.before-publish": "result events are rendered, not sent",
    "relay.staged": "a batch is sent but for its last message, which commits it",
    "relay.acknowledged": "NATS has acknowledged them, the checkpoint is not saved",
    "relay.checkpointed": "the checkpoint is saved",
    "removal.packed": "a part of an archive is in memory only",
    "removal.written": "the part is in the object store, and not noted",
    "removal.noted": "the part is noted, its bodies are in the log",
    "removal.batch": "some bodies are removed, the progress is not noted",
    "removal.removed": "the bodies of a part are removed, the part is not marked",
    "erasure.copies": "the copies on NATS are deleted, nothing else is erased",
    "erasure.letters": "dead letters are erased, dispatches are not",
    "erasure.dispatches": "dispatches are erased, the events have their data",
    "erasure.events": "the events in the log are erased, the parts of archives have them",
    "deletion.batch": "some rows are deleted, the progress is not noted",
}
"""By name: what is done and what is not when the process dies there."""


class _Armed:
    """The point at which this process kills or stops itself."""

    def __init__(self, variable: str, text: str) -> None:
        self.signal = _SIGNALS[variable]
        self.name, _, nth = text.partition(":")
        self.left = int(nth or 1)
        if self.name not in POINTS or self.left < 1:
            raise ValueError(
                f"{variable}={text!r} names no crash point: use one of {', '.join(POINTS)}, with "
                "':<nth>' appended for the n-th time"
            )


_ARMED = next((_Armed(name, os.environ[name]) for name in _SIGNALS if name in os.environ), None)


def fault(name: str) -> None:
    """Kill or stop this process if this is the configured point and the n-th time."""
    if _ARMED is None or _ARMED.name != name:
        return
    _ARMED.left -= 1
    if _ARMED.left == 0:
        os.kill(os.getpid(), _ARMED.signal)
