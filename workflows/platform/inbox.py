"""How a workflow receives events: in order, each once, and none of them silently lost.

.. code-block:: python

    @workflow.defn(name="InfraProvisionWorkflow")
    class InfraProvisionWorkflow(ReceivesEvents):

        @workflow.init
        def __init__(self, argument: RawValue = NO_INPUT, carried: RawValue = NO_INPUT) -> None:
            super().__init__(carried)

        @workflow.run
        async def run(self, argument: RawValue = NO_INPUT, carried: RawValue = NO_INPUT) -> ...:
            approval = await self.inbox.next(
                type="io.quantum-suite.infra.approval-confirmed.v1",
                where=lambda envelope: envelope.data["plan"] == plan.id,
                timeout=timedelta(hours=24),
            )
            ...
            await self.inbox.finish()

What would go wrong without it
==============================

*Repeats.* The bridge, like anybody, sends again what was not answered, under the same request
id. Temporal deduplicates that within one run, and forgets it when the run continues as new. So
the envelope carries the request id (``bridgerequest``), and the inbox keeps those it has seen
and carries them on: ``inbox.continue_as_new(argument)``. Of the seen ones the latest
``REMEMBERED`` are kept; a repeat comes within minutes of the first, and that is far more than
can come in between. Two routes that send one event to one workflow have two request ids, and
both arrive.

*Arguments that do not decode.* Python's SDK drops a signal whose argument does not fit the
handler's annotation, with a line in the worker's log and nothing else. So these handlers take
raw values and read them here. What is no envelope becomes a ``Refused``: logged as an error,
kept in ``inbox.refused``, and told to ``on_refused``, which a workflow overrides to emit a
result event, say. An update that is none is rejected, so that its sender hears of it.

*Names nobody handles.* The handlers are dynamic: whatever a signal or update is called, it
arrives (``Arrival.name``), unless the workflow has a handler of that very name.

*Arrival order.* The handlers belong to the class, rather than being set when the workflow
begins: the SDK would buffer what comes before that by name, and mix up the order of names.

*Work cut off by the end.* ``finish`` waits for handlers that are still at work, then closes
the inbox: updates are rejected from then on, and what has arrived and was never taken is
returned, and logged. Temporal itself refuses to close a run while a signal is on its way.

The order is that of the run's history, and everything here depends on nothing but that history,
so a replay takes the same way.
"""

import json
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import timedelta
from typing import Any, NoReturn

from pydantic import ValidationError
from temporalio import workflow
from temporalio.common import RawValue

from workflows.errors import EventTimedOutError
from workflows.messages.envelopes import Arrival, Envelope, InboxState, Receipt, Refused
from workflows.platform.inputs import NO_INPUT

REMEMBERED = 5_000
"""How many keys are remembered, at most: 200 KB when a run continues as new."""
_KEPT_REFUSALS = 100
_BEGINNING = 200

Condition = Callable[[Envelope], bool]


class EventInbox:
    """What has arrived for a run and was not taken yet. Made by `ReceivesEvents`.

    Args:
        state: What the run before handed on.
        remember: How many keys to remember.
    """

    def __init__(self, state: InboxState | None = None, *, remember: int = REMEMBERED) -> None:
        state = state or InboxState()
        self._seen = dict.fromkeys(state.seen)
        self._waiting = list(state.waiting)
        self._refused = list(state.refused)
        self._remember = remember
        self._closed = False
        self._unfit: set[str] = set()
        """Those on which a condition raised, to say so once."""

    @property
    def waiting(self) -> tuple[Arrival, ...]:
        """What has arrived and was not taken, in order of arrival."""
        return tuple(self._waiting)

    @property
    def refused(self) -> tuple[Refused, ...]:
        """What was no envelope, the last hundred of it."""
        return tuple(self._refused)

    @property
    def state(self) -> InboxState:
        """What to hand on when the run continues as new."""
        return InboxState(seen=tuple(self._seen), waiting=self.waiting, refused=self.refused)

    async def next(
        self,
        *,
        type: str | None = None,  # noqa: A002 - the attribute's name
        name: str | None = None,
        where: Condition | None = None,
        timeout: timedelta | None = None,  # noqa: ASYNC109 - a durable one, of the workflow
        summary: str | None = None,
    ) -> Envelope:
        """Take the first envelope that fits; wait for one if none is there.

        Those that do not fit stay for others to take.

        Args:
            type: The event's type, or a prefix of it that ends with ``*``.
            name: Of the signal or update.
            where: A condition on the envelope; must be deterministic. Where it raises on an
                envelope, whose data anybody may have written, that one does not fit.
            timeout: How long to wait; default: for ever.
            summary: The line that Temporal's web UI shows for the wait.

        Raises:
            EventTimedOutError: None came in time.
        """
        until = None if timeout is None else workflow.now() + timeout
        while (found := self._find(type, name, where)) is None:
            left = None if until is None else until - workflow.now()
            if left is not None and left <= timedelta(0):
                raise EventTimedOutError(f"no {type or 'event'} came within {timeout}")
            with suppress(TimeoutError):
                await workflow.wait_condition(
                    lambda: self._find(type, name, where) is not None,
                    timeout=left,
                    timeout_summary=summary,
                )
        self._waiting.remove(found)
        return found.envelope

    async def finish(self) -> tuple[Arrival, ...]:
        """Wait for the handlers, close the inbox, and return what nobody took."""
        await workflow.wait_condition(workflow.all_handlers_finished)
        self._closed = True
        for arrival in self._waiting:
            workflow.logger.warning(
                "closing with an event that was not taken: %s %s (%s)",
                arrival.envelope.type,
                arrival.envelope.id,
                arrival.name,
            )
        return self.waiting

    async def continue_as_new(self, *arguments: Any) -> NoReturn:
        """Continue as a new run with these arguments, and after them the inbox's state."""
        await workflow.wait_condition(workflow.all_handlers_finished)
        workflow.continue_as_new(args=[*arguments, self.state.model_dump(mode="json")])

    def receive(self, name: str, arguments: Sequence[RawValue]) -> Receipt:
        """Take in what arrived; says whether it had arrived before.

        Raises:
            ValueError: It is no envelope; says why.
        """
        envelope = read_envelope(arguments)
        if envelope.key in self._seen:
            workflow.logger.info("repeat of %s %s: no effect", envelope.type, envelope.id)
            return Receipt(duplicate=True)
        self._seen[envelope.key] = None
        while len(self._seen) > self._remember:
            del self._seen[next(iter(self._seen))]
        self._waiting.append(Arrival(name=name, envelope=envelope))
        return Receipt(duplicate=False)

    def refuse(self, name: str, arguments: Sequence[RawValue], reason: str) -> Refused:
        """Keep and log what is no envelope."""
        refused = Refused(name=name, reason=reason, beginning=_beginning(arguments))
        self._refused = [*self._refused, refused][-_KEPT_REFUSALS:]
        workflow.logger.error("signal %s refused: %s: %s", name, reason, refused.beginning)
        return refused

    def check(self, arguments: Sequence[RawValue]) -> None:
        """Say whether an update would be taken in.

        Raises:
            ValueError: It is no envelope, or too late.
        """
        if self._closed:
            raise ValueError("the workflow takes no more events: it is about to close")
        read_envelope(arguments)

    def _find(
        self,
        type: str | None,  # noqa: A002 - the attribute's name
        name: str | None,
        where: Condition | None,
    ) -> Arrival | None:
        for arrival in self._waiting:
            if (
                (name is None or arrival.name == name)
                and _is_like(type, arrival.envelope.type)
                and self._holds(where, arrival.envelope)
            ):
                return arrival
        return None

    def _holds(self, condition: Condition | None, envelope: Envelope) -> bool:
        if condition is None:
            return True
        try:
            return bool(condition(envelope))
        except Exception as error:  # noqa: BLE001 - another's data must not block the workflow
            if envelope.key not in self._unfit:
                self._unfit.add(envelope.key)
                workflow.logger.warning("%s %s fits not: %r", envelope.type, envelope.id, error)
            return False


class ReceivesEvents:
    """The base of workflows that receive events.

    Args:
        carried: The run's second argument: what the run before handed on.
    """

    def __init__(self, carried: RawValue = NO_INPUT) -> None:
        self.inbox = EventInbox(_state(carried))

    @workflow.signal(dynamic=True)
    async def receive_signal(self, name: str, arguments: Sequence[RawValue]) -> None:
        """Take in a signal of any name."""
        try:
            self.inbox.receive(name, arguments)
        except ValueError as error:
            await self.on_refused(self.inbox.refuse(name, arguments, str(error)))

    @workflow.update(dynamic=True)
    async def receive_update(self, name: str, arguments: Sequence[RawValue]) -> Receipt:
        """Take in an update of any name; it is completed when it is in the inbox."""
        return self.inbox.receive(name, arguments)

    @receive_update.validator
    def check_update(self, name: str, arguments: Sequence[RawValue]) -> None:  # noqa: ARG002 - the SDK's signature
        """Reject an update that is no envelope, or that comes too late."""
        self.inbox.check(arguments)

    async def on_refused(self, refused: Refused) -> None:
        """Do something about a signal that is no envelope; for workflows to override."""


def read_envelope(arguments: Sequence[RawValue]) -> Envelope:
    """Read the one argument of a signal or update.

    Raises:
        ValueError: It is no envelope; says why.
    """
    if len(arguments) != 1:
        raise ValueError(f"{len(arguments)} arguments where one envelope should be")
    try:
        decoded: object = workflow.payload_converter().from_payload(arguments[0].payload)
    except Exception as error:  # an unknown encoding, or no JSON
        raise ValueError(f"the argument cannot be decoded: {error}") from error
    try:
        return Envelope.model_validate(decoded)
    except ValidationError as error:
        faults = "; ".join(
            f"{'.'.join(map(str, fault['loc'])) or 'the argument'}: {fault['msg']}"
            for fault in error.errors(include_url=False, include_input=False)
        )
        raise ValueError(f"no envelope: {faults}") from error


def _state(carried: RawValue) -> InboxState:
    decoded = workflow.payload_converter().from_payload(carried.payload)
    return InboxState() if decoded is None else InboxState.model_validate(decoded)


def _is_like(wanted: str | None, given: str) -> bool:
    if wanted is None:
        return True
    return given.startswith(wanted[:-1]) if wanted.endswith("*") else given == wanted


def _beginning(arguments: Sequence[RawValue]) -> str:
    texts = [each.payload.data[:_BEGINNING].decode(errors="replace") for each in arguments]
    return json.dumps(texts)[:_BEGINNING]
