"""The protocol between parent and child: MessagePack messages, each after its length."""

from typing import Literal

import msgspec

from bridge.cel.cost import size_of
from bridge.routes.table import FIRST_GENERATION, RouteResult
from bridge.sources import SourceMessage
from eventstore.events import Event

DECODE, CHECK, CONDITION, WORK = "<decode>", "<check>", "<condition>", "<work>"
"""Names of steps. The other steps have names of routes, which cannot contain ``<``."""

CPU_SECONDS, CPU_SECONDS_PER_BYTE = 1.0, 1.0 / 2**20
"""Processor time limit of one step. Decoding small objects takes 0.05 s a MB, a route 0.15 s a MB;
on a busy machine three times as much."""
MEMORY_BYTES = 2**30
"""Address space limit of the child. 8 MB of small objects take 400 MB."""
EXIT_MEMORY = 77
"""The exit code of a child that exceeded `MEMORY_BYTES`."""
EXIT_BROKEN = 78
"""The exit code of a child that failed outside any step."""


class Definition(msgspec.Struct, frozen=True, tag=True):
    """The routes, schemas and sources for the following tasks."""

    routes: bytes


class Task(msgspec.Struct, frozen=True, kw_only=True, tag=True, omit_defaults=True):
    """One message or event, and the steps to run on it."""

    topic: str
    message: SourceMessage | None = None
    """A message to decode; otherwise ``event`` is set."""
    max_hops: int = 0
    event: Event | None = None
    check: bool = False
    """Whether to check its data against the schema of its type."""
    routes: Literal["none", "candidates", "all"] = "none"
    generation: int = FIRST_GENERATION
    condition: str | None = None
    done: frozenset[str] = frozenset()
    """Steps that already have an answer."""


class Work(msgspec.Struct, frozen=True, tag=True):
    """One call of a function from bytes to bytes."""

    module: str
    function: str
    argument: bytes


Request = Definition | Task | Work


def step_seconds(task: Task | Work) -> float:
    """Return the seconds of processor time that each step of a task may take."""
    if isinstance(task, Work):
        return CPU_SECONDS + len(task.argument) * CPU_SECONDS_PER_BYTE
    event = task.event
    if event is not None:
        size = size_of(event)
    else:
        size = 0 if task.message is None else task.message.size
    return CPU_SECONDS + size * CPU_SECONDS_PER_BYTE


class Begun(msgspec.Struct, frozen=True, tag=True):
    """The child begins this step."""

    step: str


class Decoded(msgspec.Struct, frozen=True, tag=True):
    """The decoded event."""

    event: Event
    digest: bytes
    """Digest of type and data, for the store."""


class NotAnEvent(msgspec.Struct, frozen=True, tag=True):
    """The message is not an event."""

    code: str
    reason: str


class SchemaChecked(msgspec.Struct, frozen=True, tag=True):
    """How the data violates its schema; None if it does not."""

    violation: str | None


class RouteEvaluated(msgspec.Struct, frozen=True, tag=True):
    """The verdict of one route on the event."""

    verdict: RouteResult


class Held(msgspec.Struct, frozen=True, tag=True):
    """Whether the condition is true."""

    holds: bool


class Worked(msgspec.Struct, frozen=True, tag=True):
    """The function's return value."""

    result: bytes


class Done(msgspec.Struct, frozen=True, tag=True):
    """All steps have answers. As the first message: the child is ready."""


Reply = Begun | Decoded | NotAnEvent | SchemaChecked | RouteEvaluated | Held | Worked | Done

LENGTH_BYTES = 4
encode = msgspec.msgpack.Encoder().encode
requests = msgspec.msgpack.Decoder(Request)
answers = msgspec.msgpack.Decoder(Reply)
