"""The command ``ntbridge-worker``."""

import os
import sys
from collections.abc import Sequence
from typing import Literal

from cyclopts import App, CycloptsError

from bridge.runtime import standard_streams
from bridge.runtime.errors import OutputError
from bridge.runtime.extras import missing_package
from bridge.runtime.terminal import print_message

_FAILED, _USAGE, _READER_GONE = 1, 2, 141
"""The same exit codes as ``ntbridge``; see the README."""

app = App(name="ntbridge-worker", help="Run the workers of the reference pipelines.")


@app.default
def run(
    *,
    modules: str | None = None,
    task_queue: str | None = None,
    queue_prefix: str | None = None,
    build_id: str | None = None,
    deployment: str | None = None,
    make_current: bool = False,
    temporal_address: str | None = None,
    temporal_namespace: str | None = None,
    events_queue: str | None = None,
    database_url: str | None = None,
    insecure: bool = False,
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO",
) -> int:
    """Poll Temporal for the work of the given modules until SIGINT or SIGTERM.

    Args:
        modules: Modules to serve, comma-separated [default: all; NTBRIDGE_WORKER_MODULES].
        task_queue: One task queue for all modules [default: one for each, with its name;
            NTBRIDGE_WORKER_TASK_QUEUE, TASK_QUEUE].
        queue_prefix: Prefix of the task queues: PREFIX-MODULE
            [default: none; NTBRIDGE_WORKER_QUEUE_PREFIX].
        build_id: Build id of this worker; a run stays with the build that started it
            [default: none, unversioned; NTBRIDGE_WORKER_BUILD_ID].
        deployment: Name of the worker deployment of the builds [default: ntbridge;
            NTBRIDGE_WORKER_DEPLOYMENT].
        make_current: Make this build the current version once its workers poll every queue
            [NTBRIDGE_WORKER_MAKE_CURRENT].
        temporal_address: host:port of Temporal [default: 127.0.0.1:7233; TEMPORAL_ADDRESS,
            TEMPORAL_HOST].
        temporal_namespace: Temporal's namespace [default: default; TEMPORAL_NAMESPACE].
        events_queue: Task queue on which the bridge serves emits [default: ntbridge-events;
            NTBRIDGE_EMIT__TASK_QUEUE].
        database_url: Postgres with the event store [no default; DATABASE_URL, POSTGRES_URL].
        insecure: Allow unencrypted connections to other machines [NTBRIDGE_INSECURE].
        log_level: Log level; the log goes to standard error.
    """
    # Imported here because it takes almost a second and --help does not need it.
    try:
        from workflows.worker.serving import serve  # noqa: PLC0415
    except ModuleNotFoundError as error:
        return _without(error)

    return serve(
        {
            "modules": modules,
            "task_queue": task_queue,
            "queue_prefix": queue_prefix,
            "build_id": build_id,
            "deployment": deployment,
            "make_current": "true" if make_current else None,
            "temporal_address": temporal_address,
            "temporal_namespace": temporal_namespace,
            "events_queue": events_queue,
            "database_url": database_url,
            "insecure": "true" if insecure else None,
        },
        log_level=log_level,
    )


@app.command
def check(
    *,
    modules: str | None = None,
    temporal_address: str | None = None,
    temporal_namespace: str | None = None,
    database_url: str | None = None,
    insecure: bool = False,
    output: Literal["table", "json"] = "table",
) -> int:
    """Check what a worker with these settings would use; say how to fix each failure.

    Asks the language model for a real, tiny answer. Exit code 0 if no check failed, else 4.

    Args:
        modules: Modules to serve, comma-separated [default: all; NTBRIDGE_WORKER_MODULES].
        temporal_address: host:port of Temporal [default: 127.0.0.1:7233; TEMPORAL_ADDRESS].
        temporal_namespace: Temporal's namespace [default: default; TEMPORAL_NAMESPACE].
        database_url: Postgres with the event store [DATABASE_URL]; without it, neither Postgres nor
            Temporal is checked.
        insecure: Allow unencrypted connections to other machines [NTBRIDGE_INSECURE].
        output: One line and what to do for each check, or json.
    """
    try:
        from workflows.worker.checks import check_and_print  # noqa: PLC0415 - as above
    except ModuleNotFoundError as error:
        return _without(error)
    return check_and_print(
        {
            "modules": modules,
            "temporal_address": temporal_address,
            "temporal_namespace": temporal_namespace,
            "database_url": database_url,
            "insecure": "true" if insecure else None,
        },
        as_json=output == "json",
    )


def _without(error: ModuleNotFoundError) -> int:
    """Print which extra has the missing package, and return the exit code; raise if it is ours."""
    missing = missing_package(error)
    if missing is None:
        raise error
    sys.stderr.write(f"ntbridge-worker: {missing}\n")
    return _USAGE


def main() -> None:
    """Run the command and exit without finalizing the interpreter.

    An interpreter that used the Temporal client sometimes crashes in its finalization. At this
    point everything is closed and flushed, so skipping it loses nothing.
    """
    standard_streams.secure()
    code = _run(sys.argv[1:])
    try:
        standard_streams.flush()
    except OutputError as error:
        lost = _lost(error)
        code = code or lost
    os._exit(code)


def _run(tokens: Sequence[str]) -> int:
    try:
        command, bound, _ = app.parse_args(tokens, exit_on_error=False, print_error=False)
        code: object = command(*bound.args, **bound.kwargs)
    except CycloptsError as error:
        print_message(f"ntbridge-worker: {error}")
        return _USAGE
    except OutputError as error:
        return _lost(error)
    return code if isinstance(code, int) else os.EX_OK


def _lost(error: OutputError) -> int:
    if error.reader_gone:
        return _READER_GONE
    print_message(f"ntbridge-worker: {error}")
    return _FAILED
