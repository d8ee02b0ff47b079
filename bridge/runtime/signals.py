"""Being told to stop: once to end in order, twice to end at once; and never to hang."""

import asyncio
import os
import signal
import sys
import threading

import structlog

_log = structlog.get_logger(__name__)

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
CUT_OFF = 1
"""The exit code of a process that did not end in time."""


def told_to_stop(within: float) -> asyncio.Event:
    """Return what the first SIGINT or SIGTERM sets.

    The second one ends the process at once, with 128 and its number as any program that it
    kills. So does the end of ``within`` seconds after the first, with `CUT_OFF`: whoever told us
    to stop has a limit of their own, and an end that we log is better than theirs. Nothing is
    lost by either: what was not finished is as after a crash.
    """
    told = asyncio.Event()

    def tell(number: signal.Signals) -> None:
        if told.is_set():
            _leave(128 + number, "stop.at_once", signal=number.name)
        _log.info("stop.begun", signal=number.name, within_seconds=within)
        told.set()
        # A thread: it must come even when the event loop hangs.
        timer = threading.Timer(
            within, _leave, (CUT_OFF, "stop.cut_off"), {"after_seconds": within}
        )
        timer.daemon = True
        timer.start()

    for number in _SIGNALS:
        asyncio.get_running_loop().add_signal_handler(number, tell, number)
    return told


def _leave(code: int, event: str, **said: object) -> None:
    _log.error(event, exit_code=code, **said)
    sys.stderr.flush()
    os._exit(code)
