"""``signal``: one signal to the open run of a workflow id."""

from typing import ClassVar, Self
from uuid import UUID

import msgspec
from msgspec.structs import replace
from pydantic import model_validator
from typing_extensions import override

from bridge.cel import EventScope
from bridge.operations.base import Dispatch, Operation, Planned
from bridge.operations.calls import CallError, SignalCall, Temporal
from bridge.operations.envelopes import (
    ArgumentFields,
    PlannedArgument,
    argument,
    plan_argument,
)
from bridge.operations.outcomes import Outcome
from bridge.operations.signal_with_start import signal_or_start
from bridge.operations.starting import (
    PlannedStart,
    StartFields,
    plan_start,
    start_again,
    start_call,
    watched,
)
from bridge.operations.targets import (
    PlannedTarget,
    TargetFields,
    closed,
    delivered_before,
    plan_target,
)
from bridge.runtime.strict import TemporalName
from eventstore.events import StoredEvent


class SignalSpec(TargetFields, ArgumentFields):
    """Signal a workflow. The argument is the event's envelope, as an object."""

    signal: TemporalName
    """The signal's name."""
    start: StartFields | None = None
    """With ``when_missing: start``: the workflow to start under the same workflow id."""

    @model_validator(mode="after")
    def _start_fits(self) -> Self:
        if (self.when_missing == "start") != (self.start is not None):
            raise ValueError("when_missing: start and the key start go together")
        if self.start is not None and self.run_id is not None:
            raise ValueError("start needs a workflow id without a run: leave run_id out")
        return self


class PlannedSignal(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The plan of a `Signal`, as stored in the dispatch's row."""

    signal: str
    target: PlannedTarget = PlannedTarget()
    argument: PlannedArgument = PlannedArgument()
    start: PlannedStart | None = None


class Signal(Operation[SignalSpec]):
    """Signals the open run.

    Within one run, the request id makes a repeat harmless. Across continue-as-new, the receiver
    detects it by the envelope's ``bridgerequest`` (`bridge.operations.envelopes`). If the first attempt
    closed the run, its history shows the signal (`bridge.operations.targets`).
    """

    name: ClassVar[str] = "signal"

    @override
    def plan(self, spec: SignalSpec, scope: EventScope, *, route: str, uid: UUID) -> Planned:
        workflow_id, target = plan_target(spec, scope)
        call = PlannedSignal(
            signal=spec.signal,
            target=target,
            argument=plan_argument(spec, scope),
            start=None
            if spec.start is None
            else plan_start(spec.start, scope, id_reuse_policy="allow-duplicate"),
        )
        return Planned(
            target=workflow_id,
            call=call,
            starts=call.start is not None,
            wait_for=target.wait_for,
        )

    @override
    def again(self, call: bytes) -> bytes:
        planned = msgspec.json.decode(call, type=PlannedSignal)
        if planned.start is None:
            return call
        return msgspec.json.encode(replace(planned, start=start_again(planned.start)))

    @override
    async def carry_out(
        self,
        temporal: Temporal,
        dispatch: Dispatch,
        event: StoredEvent,
    ) -> Outcome:
        planned = msgspec.json.decode(dispatch.call, type=PlannedSignal)
        call = SignalCall(
            workflow_id=dispatch.target,
            run_id=planned.target.run_id,
            signal=planned.signal,
            request_id=dispatch.request_id,
            argument=argument(planned.argument, dispatch, event),
        )
        try:
            run_id = await temporal.signal(call)
        except CallError as error:
            if not error.target_gone:
                raise
        else:
            done = Outcome(state="done", run_id=run_id or None)
            # An earlier attempt may have started the run that this one found open.
            return done if planned.start is None else watched(done, planned.start)
        if planned.start is not None:
            start = start_call(planned.start, dispatch, event, also=True)
            outcome = await signal_or_start(
                temporal, dispatch, start, call, again=planned.start.again
            )
            return watched(outcome, planned.start)
        before = await delivered_before(temporal, dispatch, planned.target.run_id)
        return before or closed(dispatch, planned.target)
