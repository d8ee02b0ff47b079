"""A worker process from its settings to its exit code."""

import asyncio
import os
import signal
import sys
from collections.abc import Mapping

import structlog

from workflows.config import WorkerSettings
from workflows.errors import InvalidSettingError
from workflows.logs import configure_logs
from workflows.worker import PipelineWorker

EXIT_DIED = 1
EXIT_USAGE = 2

_log = structlog.get_logger(__name__)


def serve(flags: Mapping[str, str | None], *, log_level: str) -> int:
    """Run a worker until SIGINT or SIGTERM; return the process's exit code.

    0 after an orderly stop, ``EXIT_USAGE`` for a wrong setting, ``EXIT_DIED`` for a worker
    that ended unasked, with the reason in the log.
    """
    configure_logs(log_level)
    try:
        worker = PipelineWorker(WorkerSettings.read(flags))
    except InvalidSettingError as error:
        sys.stderr.write(f"ntbridge-worker: {error}\n")
        return EXIT_USAGE
    try:
        asyncio.run(_until_told(worker))
    except Exception:  # noqa: BLE001 -- whatever it died of is logged, and ends the process
        _log.exception("worker died")
        return EXIT_DIED
    _log.info("worker stopped")
    return os.EX_OK


async def _until_told(worker: PipelineWorker) -> None:
    """Run the worker until a signal says to stop, or raise what it died of."""
    told = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, told.set)
    life = asyncio.create_task(_live(worker))
    stop = asyncio.create_task(told.wait())
    await asyncio.wait({life, stop}, return_when=asyncio.FIRST_COMPLETED)
    try:
        if life.done():
            await life
        _log.info("worker stopping")
        life.cancel()
        await asyncio.gather(life, return_exceptions=True)
    finally:
        await worker.stop()


async def _live(worker: PipelineWorker) -> None:
    await worker.start()
    await worker.wait()
