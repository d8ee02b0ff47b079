"""The command ``ntbridge-worker``."""

import asyncio
import os
import signal
import sys
from typing import TYPE_CHECKING, Literal

from cyclopts import App

if TYPE_CHECKING:
    from workflows.config import WorkerSettings

EXIT_FAILED = 1
EXIT_USAGE = 2

app = App(name="ntbridge-worker", help="Run the workers of the reference pipelines.")


@app.default
def run(  # noqa: PLR0913 -- a flag each
    *,
    modules: str | None = None,
    task_queue: str | None = None,
    temporal_address: str | None = None,
    temporal_namespace: str | None = None,
    database_url: str | None = None,
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO",
) -> int:
    """Poll Temporal for the work of the given modules until SIGINT or SIGTERM.

    Args:
        modules: Which modules, comma-separated [default: qagent; NTBRIDGE_WORKER_MODULES].
        task_queue: One task queue for all of them [default: one each, of the module's name;
            NTBRIDGE_WORKER_TASK_QUEUE].
        temporal_address: host:port of Temporal [default: 127.0.0.1:7233; TEMPORAL_ADDRESS].
        temporal_namespace: Temporal's namespace [default: default; TEMPORAL_NAMESPACE].
        database_url: Postgres with the event store [no default; DATABASE_URL].
        log_level: How much to log; the log goes to standard error.
    """
    # Imported here, because these take most of a second and --help needs none of them.
    import structlog  # noqa: PLC0415

    from workflows.config import WorkerSettings  # noqa: PLC0415
    from workflows.errors import InvalidSettingError  # noqa: PLC0415
    from workflows.logs import configure_logs  # noqa: PLC0415
    from workflows.modules import queues_of  # noqa: PLC0415

    try:
        configure_logs(log_level)
        settings = WorkerSettings.read(
            {
                "modules": modules,
                "task_queue": task_queue,
                "temporal_address": temporal_address,
                "temporal_namespace": temporal_namespace,
                "database_url": database_url,
            }
        )
        queues_of(settings.modules, settings.task_queue)
    except InvalidSettingError as error:
        sys.stderr.write(f"ntbridge-worker: {error}\n")
        return EXIT_USAGE
    try:
        asyncio.run(_serve(settings))
    except Exception:  # noqa: BLE001 -- whatever it died of is logged, and ends the process
        structlog.get_logger(__name__).exception("worker died")
        return EXIT_FAILED
    return os.EX_OK


async def _serve(settings: "WorkerSettings") -> None:
    """Run a worker until it is told to stop, or raise what it died of."""
    from workflows.worker import PipelineWorker  # noqa: PLC0415 -- as above

    worker = PipelineWorker(settings)
    told = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, told.set)

    async def live() -> None:
        await worker.start()
        await worker.wait()

    life = asyncio.create_task(live())
    stop = asyncio.create_task(told.wait())
    await asyncio.wait({life, stop}, return_when=asyncio.FIRST_COMPLETED)
    if not stop.done():
        await life
    life.cancel()
    await worker.stop()


def main() -> None:
    """Run the command and leave at once.

    Interpreters that have used the Temporal client sometimes crash when they wind down, so
    there is no winding down: everything is closed and flushed by now.
    """
    code: object = app(result_action="return_value")
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code if isinstance(code, int) else os.EX_OK)
