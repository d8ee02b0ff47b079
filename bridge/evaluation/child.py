"""The program of the child process: reads tasks and writes answers, one step at a time.

Runs as ``python -c "from bridge.evaluation.child import main; main()" <pid of the parent>``.
It is synchronous: the process does one thing at a time and may be killed at any time.
"""

import ctypes
import os
import resource
import signal
import sys
from collections.abc import Iterator
from importlib import import_module
from typing import Final, NoReturn

from bridge.cel import compile_expression
from bridge.cloudevents.lineage import hops_of
from bridge.errors import DecodeError
from bridge.evaluation.messages import (
    CHECK,
    CONDITION,
    DECODE,
    EXIT_BROKEN,
    EXIT_MEMORY,
    LENGTH_BYTES,
    MEMORY_BYTES,
    WORK,
    Begun,
    Decoded,
    Definition,
    Done,
    Held,
    NotAnEvent,
    Reply,
    Request,
    RouteEvaluated,
    SchemaChecked,
    Task,
    Work,
    Worked,
    encode,
    requests,
    step_seconds,
)
from bridge.routes.table import RouteTable, table_of
from bridge.sources import SourceMessage
from eventstore.events import Event

_PR_SET_PDEATHSIG: Final = 1
_MAX_FILES = 16
_NO_ROUTES = RouteTable(())


def main() -> NoReturn:
    """Work until the parent closes the pipe or dies."""
    _die_with(int(sys.argv[1]))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_NOFILE, (_MAX_FILES, _MAX_FILES))
    try:
        _serve()
    except MemoryError:
        os._exit(EXIT_MEMORY)
    except BaseException:  # noqa: BLE001 - the parent reads the exit code
        os._exit(EXIT_BROKEN)
    os._exit(0)


def _serve() -> None:
    table = _NO_ROUTES
    _write(Done())  # ready
    while (request := _read()) is not None:
        if isinstance(request, Definition):
            table = table_of(request.routes)
            continue
        limit = step_seconds(request)
        answers = _worked(request) if isinstance(request, Work) else steps(table, request)
        for answer in answers:
            # The kernel ends the process if the step that begins now takes longer.
            seconds = limit if isinstance(answer, Begun) else 0
            _write(answer)
            signal.setitimer(signal.ITIMER_PROF, seconds)
        _write(Done())


def steps(table: RouteTable, task: Task) -> Iterator[Reply]:
    """Yield the beginning and the answer of each step of a task."""
    event = task.event
    if event is None:
        yield Begun(DECODE)
        try:
            event = _decoded(table, task)
        except DecodeError as error:
            yield NotAnEvent(error.code, str(error))
            return
        yield Decoded(event, event.digest)
        if hops_of(event) > task.max_hops:
            return
    if task.check and CHECK not in task.done:
        yield Begun(CHECK)
        violation = table.schemas.check(event)
        yield SchemaChecked(violation)
        if violation is not None:
            return
    yield from _evaluated(table, task, event)


def _decoded(table: RouteTable, task: Task) -> Event:
    message = task.message or SourceMessage(topic=task.topic)
    return table.sources.decoder(message.stream, message.topic).decode(message)


def _worked(work: Work) -> Iterator[Reply]:
    # Import before the step begins, so that the time limit covers only the call.
    function = getattr(import_module(work.module), work.function)
    yield Begun(WORK)
    yield Worked(function(work.argument))


def _evaluated(table: RouteTable, task: Task, event: Event) -> Iterator[Reply]:
    scope = table.scope(event, task.topic)
    for route in table.asked(task.topic, event, task.routes):
        if route.name not in task.done:
            yield Begun(route.name)
            yield RouteEvaluated(
                table.verdict(route, task.topic, event, scope, task.generation)
            )
    if task.condition is not None and CONDITION not in task.done:
        yield Begun(CONDITION)
        yield Held(scope.holds(compile_expression(task.condition, "bool")))


def _die_with(parent: int) -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:  # the parent died before the call
        os._exit(0)


def _read() -> Request | None:
    length = _read_exactly(LENGTH_BYTES)
    if length is None:
        return None
    body = _read_exactly(int.from_bytes(length))
    return None if body is None else requests.decode(body)


def _read_exactly(size: int) -> bytes | None:
    body = bytearray()
    while len(body) < size:
        piece = os.read(0, min(size - len(body), 2**20))
        if not piece:
            return None
        body += piece
    return bytes(body)


def _write(answer: Reply) -> None:
    body = encode(answer)
    rest = memoryview(len(body).to_bytes(LENGTH_BYTES) + body)
    while rest:
        rest = rest[os.write(1, rest) :]
