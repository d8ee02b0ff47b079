"""The one argument of a signal or update: the event's envelope, so that repeats can be told.

Temporal deduplicates a request id within one run only, and a receiver may continue as new
between two deliveries. So what arrives is a CloudEvent in the JSON format, as an object, with
two extension attributes more:

=================  ======================================================================
``bridgerequest``  the request id: one for each event, route and generation. What has the
                   same one is the same signal; the key of the receiver's seen-set
``bridgeroute``    the route that sent it
=================  ======================================================================

The pair of source and id would not do: two routes may signal one workflow from one event, and
an operator may send one again on purpose.

A route's ``argument`` takes the place of the envelope's *data*; everything around it stays.
Only ``bare: true`` sends the argument as it is, for a receiver that cannot be taught; then
nothing but Temporal's own deduplication within a run guards against repeats.
"""

from typing import Self

import msgspec
from msgspec.structs import replace
from pydantic import model_validator

from bridge.cel import EventScope
from bridge.cloudevents.codec import to_json
from bridge.operations.base import Dispatch, SpecModel
from bridge.operations.calls import Argument
from bridge.operations.fields import CompiledExpression
from bridge.runtime.strict import Truth
from eventstore.events import StoredEvent

REQUEST_ATTRIBUTE = "bridgerequest"
ROUTE_ATTRIBUTE = "bridgeroute"


class ArgumentFields(SpecModel):
    """What a signal or update carries."""

    argument: CompiledExpression | None = None
    """CEL; takes the place of the data in the envelope. Default: the event's own data."""
    bare: Truth = False
    """Send the argument without an envelope. The receiver cannot tell repeats then."""

    @model_validator(mode="after")
    def _bare_has_argument(self) -> Self:
        if self.bare and self.argument is None:
            raise ValueError("bare needs an argument; to send the bare data, argument: data")
        return self


class PlannedArgument(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is sent instead of the event's own data."""

    value: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    """JSON; unset means the event's data as they are."""
    bare: bool = False


def plan_argument(spec: ArgumentFields, scope: EventScope) -> PlannedArgument:
    """Evaluate what a route says about the argument.

    Raises:
        ExpressionError: The expression fails on this event.
    """
    if spec.argument is None:
        return PlannedArgument()
    return PlannedArgument(value=scope.json(spec.argument), bare=spec.bare)


def argument(planned: PlannedArgument, dispatch: Dispatch, stored: StoredEvent) -> Argument:
    """Return the argument to send, as JSON."""
    event = stored.event
    if planned.value is not msgspec.UNSET:
        data = bytes(planned.value)
        if planned.bare:
            return Argument(data=data)
        event = replace(event, data=data, datacontenttype="application/json", dataschema=None)
    extensions = {
        "correlationid": stored.correlation_id,
        **event.extensions,
        REQUEST_ATTRIBUTE: str(dispatch.request_id),
        ROUTE_ATTRIBUTE: dispatch.route,
    }
    return Argument(data=to_json(replace(event, extensions=extensions)))
