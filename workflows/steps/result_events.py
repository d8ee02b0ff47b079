"""What every pipeline needs: the emit step."""

from workflows.messages.result_events import EmitRequest, Emitted
from workflows.policies import EMIT
from workflows.steps.step import Step

append_events = Step(
    name="events.emit",
    takes=EmitRequest,
    gives=Emitted,
    policy=EMIT,
    summary="append result events",
)
