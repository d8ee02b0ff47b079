"""``signal_with_start``: signal the open run, or start a run and signal it, atomically."""

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
    """Whether a new run may follow a closed one; if not, the dispatch is a ``collision``."""


class PlannedSignalWithStart(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The plan of a `SignalWithStart`, as stored in the dispatch's row."""

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
        start = start_call(planned.start, dispatch, event, also=True)
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

    Temporal's SignalWithStart, when repeated after the run it started has closed, starts another
    run. Therefore the first request rejects a workflow id that was used before:

    1. No run, or an open run: Temporal starts or signals it. On a repeat the open run already has
       the request id, which start and signal share, and Temporal ignores the request.
    2. A closed run. If it has this dispatch's start request id, or its event and route, or its
       history has a signal with this request id, an earlier attempt succeeded. Otherwise a new
       run is started, if the route allows it.

    One gap remains: the last request of step 2 must allow a second run. If a killed daemon's request
    reaches Temporal after its successor's, and after the run of that one has closed, it starts
    another run, because Temporal compares request ids with an open run only. Late requests of step 1
    do nothing, because they reject duplicates.
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
