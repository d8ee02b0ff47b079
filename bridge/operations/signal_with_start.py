"""``signal_with_start``: signal the open run, or start one and signal it, in one step."""

from typing import ClassVar
from uuid import UUID

import msgspec
from msgspec.structs import replace
from typing_extensions import override

from bridge.cel import EventScope
from bridge.operations.base import Dispatch, Operation, Planned
from bridge.operations.calls import (
    CallError,
    IdReusePolicy,
    SignalCall,
    StartCall,
    Temporal,
)
from bridge.operations.envelopes import (
    ArgumentFields,
    PlannedArgument,
    argument,
    plan_argument,
)
from bridge.operations.fields import TextExpression
from bridge.operations.outcomes import Outcome
from bridge.operations.starting import (
    PlannedStart,
    StartFields,
    collision,
    own,
    plan_start,
    start_again,
    start_call,
    watched,
)
from bridge.operations.targets import delivered_before
from bridge.runtime.strict import TemporalName
from eventstore.events import StoredEvent


class SignalWithStartSpec(StartFields, ArgumentFields):
    """Signal the open run of a workflow id; if none is open, start one and signal it."""

    workflow_id: TextExpression
    signal: TemporalName
    """The signal's name."""
    id_reuse_policy: IdReusePolicy = "allow-duplicate"
    """Whether a new run may follow a closed one; otherwise that is a collision."""


class PlannedSignalWithStart(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What `SignalWithStart` planned, as the dispatch's row keeps it."""

    start: PlannedStart
    signal: str
    argument: PlannedArgument = PlannedArgument()


class SignalWithStart(Operation[SignalWithStartSpec]):
    """Signals or starts, once; see `signal_or_start`."""

    name: ClassVar[str] = "signal_with_start"

    @override
    def plan(
        self, spec: SignalWithStartSpec, scope: EventScope, *, route: str, uid: UUID
    ) -> Planned:
        call = PlannedSignalWithStart(
            start=plan_start(spec, scope, id_reuse_policy=spec.id_reuse_policy),
            signal=spec.signal,
            argument=plan_argument(spec, scope),
        )
        return Planned(target=scope.text(spec.workflow_id), call=call, starts=True)

    @override
    def again(self, call: bytes) -> bytes:
        planned = msgspec.json.decode(call, type=PlannedSignalWithStart)
        return msgspec.json.encode(replace(planned, start=start_again(planned.start)))

    @override
    async def carry_out(
        self,
        temporal: Temporal,
        dispatch: Dispatch,
        event: StoredEvent,
    ) -> Outcome:
        planned = msgspec.json.decode(dispatch.call, type=PlannedSignalWithStart)
        signal = SignalCall(
            workflow_id=dispatch.target,
            signal=planned.signal,
            request_id=dispatch.request_id,
            argument=argument(planned.argument, dispatch, event),
        )
        start = start_call(planned.start, dispatch, event)
        outcome = await signal_or_start(
            temporal, dispatch, start, signal, again=planned.start.again
        )
        return watched(outcome, planned.start)


async def signal_or_start(
    temporal: Temporal,
    dispatch: Dispatch,
    start: StartCall,
    signal: SignalCall,
    *,
    again: bool = False,
) -> Outcome:
    """Signal with start so that a repeat starts no second run and signals no run twice.

    Temporal's own SignalWithStart would, when repeated after the run it started has closed,
    start another. So it is asked first to reject a workflow id that was used before:

    1. No run, or an open one: it starts or signals. A repeat finds our run open, where the
       request id, the same for start and signal, is known: nothing happens.
    2. A closed run. Ours by its start request id, or by our event and route: the first attempt
       did it. In its history a signal with our request id: likewise. Only if neither, a new
       run is started, if the route allows.

    What remains is step 2's last request, which must allow a second run: one of a killed daemon
    that reaches Temporal only after its successor has sent the same one, and after the run that
    this started has closed, starts another. Temporal compares a request id with that of an open
    run only. The requests of step 1 reject duplicates, so a late one of them does nothing.
    """
    once = replace(start.options, id_reuse_policy="reject-duplicate")
    try:
        run = await temporal.signal_with_start(replace(start, options=once), signal)
    except CallError as error:
        holder = error.already_started
        if holder is None:
            raise
    else:
        return Outcome(state="done", run_id=run.run_id)
    before, holder = await own(temporal, dispatch, holder, again=again)
    before = before or await delivered_before(temporal, dispatch, holder.run_id)
    if before is not None:
        return before
    if start.options.id_reuse_policy == "reject-duplicate":
        return collision(dispatch, holder, "it is closed")
    try:
        run = await temporal.signal_with_start(start, signal)
    except CallError as error:
        if error.already_started is None:
            raise
        return collision(dispatch, error.already_started, "it is closed")
    return Outcome(state="done", run_id=run.run_id)
