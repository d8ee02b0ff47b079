"""Reading and checking of result events, in a child process when they are large. Pure.

The functions for the child take and return bytes and never raise, as `bridge.evaluation.Evaluator.work`
requires. This module imports nothing that is slow to import.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeAlias
from uuid import UUID

import msgspec

from bridge.cloudevents.lineage import Lineage
from bridge.cloudevents.strict_json import check_json
from bridge.emit.request import Emitter, InvalidEmitError, read_argument
from bridge.errors import DecodeError
from eventstore.errors import InvalidEvent
from eventstore.events import NewEvent
from eventstore.validity import checked

CallApart: TypeAlias = Callable[[Callable[[bytes], bytes], bytes], Awaitable[bytes]]
"""Calls one of these functions outside the event loop: `Evaluator.work`."""


class EmitArgument(msgspec.Struct, frozen=True, kw_only=True):
    """The argument of an emit, with the values needed to read it."""

    argument: bytes
    emitter: Emitter
    lineage: Lineage
    namespace: UUID


class CheckedEmit(msgspec.Struct, frozen=True, kw_only=True):
    """The events of an emit, with their digests, or the reason why there are none."""

    events: Sequence[NewEvent] = ()
    invalid: str | None = None
    """Why the argument is not a valid event."""
    not_storable: str | None = None
    """Why the store would refuse an event."""


_encode = msgspec.msgpack.Encoder().encode
_arguments = msgspec.msgpack.Decoder(EmitArgument)
_emitted = msgspec.msgpack.Decoder(CheckedEmit)
_events = msgspec.msgpack.Decoder(NewEvent)


async def read(work: CallApart, argument: EmitArgument) -> Sequence[NewEvent]:
    """Return the events of an emit, with their digests.

    Raises:
        InvalidEmitError: The argument is not a valid event.
        InvalidEvent: The store would refuse an event.
        ChildEndedError: Reading it exceeds a limit, or the child processes keep ending.
    """
    return _unwrapped(await work(read_emit, _encode(argument)))


async def check_event(work: CallApart, new: NewEvent) -> NewEvent:
    """Return an event with its digest.

    Raises:
        InvalidEvent: The store would refuse it.
        ChildEndedError: Checking it exceeds a limit, or the child processes keep ending.
    """
    (event,) = _unwrapped(await work(check_one, _encode(new)))
    return event


def read_emit(argument: bytes) -> bytes:
    """Read and check the argument of an emit: `EmitArgument` to `CheckedEmit`."""
    given = _arguments.decode(argument)
    try:
        events = read_argument(given.argument, given.emitter, given.lineage, given.namespace)
        return _encode(CheckedEmit(events=[checked(new) for new in events]))
    except InvalidEmitError as error:
        return _encode(CheckedEmit(invalid=str(error)))
    except InvalidEvent as error:
        return _encode(CheckedEmit(not_storable=str(error)))


def check_one(new: bytes) -> bytes:
    """Check an event: `NewEvent` to `CheckedEmit`."""
    try:
        return _encode(CheckedEmit(events=[checked(_events.decode(new))]))
    except InvalidEvent as error:
        return _encode(CheckedEmit(not_storable=str(error)))


def compact_json(data: bytes) -> bytes:
    """Return JSON on one line; empty when it is not strict JSON."""
    try:
        check_json(data)
    except (DecodeError, RecursionError):
        return b""
    return msgspec.json.format(data, indent=-1)


def _unwrapped(answer: bytes) -> Sequence[NewEvent]:
    emitted = _emitted.decode(answer)
    if emitted.invalid is not None:
        raise InvalidEmitError(emitted.invalid)
    if emitted.not_storable is not None:
        raise InvalidEvent(emitted.not_storable)
    return emitted.events
