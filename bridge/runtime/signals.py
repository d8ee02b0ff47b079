"""SIGINT and SIGTERM: the first one stops in order, the second one at once."""

import asyncio
import os
import signal
import sys
import threading

import structlog

_log = structlog.get_logger(__name__)

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
CUT_OFF = 1
"""Exit code of a process that did not stop in time."""


def stop_requested(within: float) -> asyncio.Event:
    """Return the event that the first SIGINT or SIGTERM sets.

    The second signal ends the process at once, with exit code 128 plus the signal's number. When
    the stop takes longer than ``within`` seconds, the process ends with `CUT_OFF`: a supervisor
    would kill it soon after, without a log line. Neither loses anything: unfinished work is
    recovered as after a crash.
    """
    requested = asyncio.Event()

    def request(number: signal.Signals) -> None:
        if requested.is_set():
            _leave(128 + number, "stop.at_once", signal=number.name)
        _log.info("stop.begun", signal=number.name, within_seconds=within)
        requested.set()
        # A thread, because the event loop may hang.
        timer = threading.Timer(
            within, _leave, (CUT_OFF, "stop.cut_off"), {"after_seconds": within}
        )
        timer.daemon = True
        timer.start()

    for number in _SIGNALS:
        asyncio.get_running_loop().add_signal_handler(number, request, number)
    return requested


def _leave(code: int, event: str, **fields: object) -> None:
    _log.error(event, exit_code=code, **fields)
    sys.stderr.flush()
    os._exit(code)
