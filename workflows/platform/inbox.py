"""The inbox of a workflow: events in order, each once, none lost silently.

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

Problems that it solves
=======================

*Repeats.* When a request gets no answer, the bridge repeats it under the same request id. Temporal
deduplicates request ids within one run, but not after continue-as-new. So the envelope carries
the request id (``bridgerequest``), and the inbox keeps the ids that it has seen and passes them
to the next run: ``inbox.continue_as_new(argument)``. It keeps the latest ``REMEMBERED`` ids. A
repeat follows within minutes, and far fewer events arrive in that time. Two routes that send one
event to one workflow have two request ids, and both arrive.

*Arguments that do not decode.* The Python SDK drops a signal whose argument does not fit the
handler's annotation and only logs it. So these handlers take raw values and decode them here. A
signal that is not an envelope becomes a ``Refused``: it is logged as an error, kept in
``inbox.refused``, and passed to ``on_refused``, which a workflow may override, for example to
emit a result event. An invalid update is rejected, so its sender gets the error.

*Unknown names.* The handlers are dynamic: a signal or update of any name arrives
(``Arrival.name``), unless the workflow has a handler of that name.

*Batches.* A route with ``batch`` sends many events in one signal or update, as a list of envelopes. The inbox
takes it apart: each envelope is an arrival of its own, with its own request id, so neither ``next`` nor
the detection of repeats sees a difference. A list in which one element is no envelope is refused as a whole.

*Arrival order.* The handlers belong to the class and are not registered when the workflow
starts: the SDK would buffer earlier signals by name and lose the order across names.

*Unhandled events at the end.* ``finish`` waits for running handlers and then closes the inbox:
it rejects later updates, and returns and logs the events that were not taken. Temporal itself
does not close a run while a signal is pending.

The order is that of the run's history, and everything here depends only on that history, so it
is deterministic in a replay.
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
"""Limit of remembered keys: 200 KB of input for continue-as-new."""
_KEPT_REFUSALS = 100
_BEGINNING = 200

Condition = Callable[[Envelope], bool]


class EventInbox:
    """The events of a run that were not taken yet. `ReceivesEvents` creates it.

    Args:
        state: The state from the previous run.
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
        """Keys of envelopes on which a condition raised, to log it once."""

    @property
    def waiting(self) -> tuple[Arrival, ...]:
        """Events that were not taken, in order of arrival."""
        return tuple(self._waiting)

    @property
    def refused(self) -> tuple[Refused, ...]:
        """The last hundred signals that were not envelopes."""
        return tuple(self._refused)

    @property
    def state(self) -> InboxState:
        """The state to pass on when the run continues as new."""
        return InboxState(seen=tuple(self._seen), waiting=self.waiting, refused=self.refused)

    async def next(
        self,
        *,
        type: str | None = None,  # noqa: A002 - the attribute's name
        name: str | None = None,
        where: Condition | None = None,
        timeout: timedelta | None = None,  # noqa: ASYNC109 - a durable workflow timer
        summary: str | None = None,
    ) -> Envelope:
        """Take the first envelope that matches; wait for one if there is none.

        Envelopes that do not match stay in the inbox.

        Args:
            type: The event's type, or a prefix of it that ends with ``*``.
            name: Name of the signal or update.
            where: A condition on the envelope; must be deterministic. Where it raises on an
                envelope, from any publisher, that one does not match.
            timeout: How long to wait; default: no limit.
            summary: The line that Temporal's web UI shows for the wait.

        Raises:
            EventTimedOutError: No envelope matched in time.
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
        """Wait for the handlers, close the inbox, and return the events that were not taken."""
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
        """Add an arrival, or each of a batch; return whether all of it is a repeat.

        Raises:
            ValueError: It is neither an envelope nor a list of them; says why.
        """
        added = [self._add(name, envelope) for envelope in read_envelopes(arguments)]
        return Receipt(duplicate=not any(added))

    def _add(self, name: str, envelope: Envelope) -> bool:
        if envelope.key in self._seen:
            workflow.logger.info("repeat of %s %s: no effect", envelope.type, envelope.id)
            return False
        self._seen[envelope.key] = None
        while len(self._seen) > self._remember:
            del self._seen[next(iter(self._seen))]
        self._waiting.append(Arrival(name=name, envelope=envelope))
        return True

    def refuse(self, name: str, arguments: Sequence[RawValue], reason: str) -> Refused:
        """Keep and log a signal that is not an envelope."""
        refused = Refused(name=name, reason=reason, beginning=_beginning(arguments))
        self._refused = [*self._refused, refused][-_KEPT_REFUSALS:]
        workflow.logger.error("signal %s refused: %s: %s", name, reason, refused.beginning)
        return refused

    def check(self, arguments: Sequence[RawValue]) -> None:
        """Check that an update can be added.

        Raises:
            ValueError: It is not an envelope, or too late.
        """
        if self._closed:
            raise ValueError("the workflow takes no more events: it is about to close")
        read_envelopes(arguments)

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
        except Exception as error:  # noqa: BLE001 - data of a publisher must not block the workflow
            if envelope.key not in self._unfit:
                self._unfit.add(envelope.key)
                workflow.logger.warning("%s %s fits not: %r", envelope.type, envelope.id, error)
            return False


class ReceivesEvents:
    """The base of workflows that receive events.

    Args:
        carried: The second argument of the run: the state from the previous run.
    """

    def __init__(self, carried: RawValue = NO_INPUT) -> None:
        self.inbox = EventInbox(_state(carried))

    @workflow.signal(dynamic=True)
    async def receive_signal(self, name: str, arguments: Sequence[RawValue]) -> None:
        """Receive a signal of any name."""
        try:
            self.inbox.receive(name, arguments)
        except ValueError as error:
            await self.on_refused(self.inbox.refuse(name, arguments, str(error)))

    @workflow.update(dynamic=True)
    async def receive_update(self, name: str, arguments: Sequence[RawValue]) -> Receipt:
        """Receive an update of any name; it completes once it is in the inbox."""
        return self.inbox.receive(name, arguments)

    @receive_update.validator
    def check_update(self, name: str, arguments: Sequence[RawValue]) -> None:  # noqa: ARG002 - the SDK's signature
        """Reject an update that is not an envelope or too late."""
        self.inbox.check(arguments)

    async def on_refused(self, refused: Refused) -> None:
        """Handle a signal that is not an envelope; workflows may override this."""


def read_envelopes(arguments: Sequence[RawValue]) -> list[Envelope]:
    """Read the one argument of a signal or update: an envelope, or a batch of them.

    Raises:
        ValueError: It is neither; says why.
    """
    if len(arguments) != 1:
        raise ValueError(f"{len(arguments)} arguments where one envelope should be")
    try:
        decoded: object = workflow.payload_converter().from_payload(arguments[0].payload)
    except Exception as error:  # an unknown encoding, or no JSON
        raise ValueError(f"the argument cannot be decoded: {error}") from error
    if not isinstance(decoded, list):
        return [_envelope(decoded)]
    if not decoded:
        raise ValueError("no envelope: the list is empty")
    return [_envelope(each, index) for index, each in enumerate(decoded)]


def _envelope(decoded: object, *place: int) -> Envelope:
    try:
        return Envelope.model_validate(decoded)
    except ValidationError as error:
        faults = "; ".join(
            f"{'.'.join(map(str, (*place, *fault['loc']))) or 'the argument'}: {fault['msg']}"
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
