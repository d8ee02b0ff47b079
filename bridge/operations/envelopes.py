"""The argument of a signal or update: the event's envelope, which lets receivers detect repeats.

Temporal deduplicates a request id within one run only, and a receiver may continue as new between
two deliveries. Therefore the argument is a CloudEvent in the JSON format, as an object, with two more
extension attributes:

=================  ======================================================================
``bridgerequest``  the request id: one for each event, route and generation. Signals with
                   the same one are repeats; receivers deduplicate by it
``bridgeroute``    the route that sent it
=================  ======================================================================

Source and id are not enough: two routes may signal one workflow from one event, and an operator may
resend a signal on purpose.

A route with ``batch`` sends a list of such envelopes (`listed`), each with its own request id.

A route's ``argument`` replaces the envelope's *data*; the attributes stay. Only ``bare: true`` sends
the argument without an envelope, for a receiver that cannot read one; then only Temporal's
deduplication within a run prevents repeats.
"""

from collections.abc import Iterable
from typing import Self
from uuid import UUID

import msgspec
from msgspec.structs import replace
from pydantic import model_validator

from bridge.cel import EventScope
from bridge.cloudevents.codec import to_json
from bridge.operations.base import Dispatch, Member, SpecModel
from bridge.operations.batches import Value, given
from bridge.operations.calls import Argument
from bridge.operations.fields import CompiledExpression
from bridge.runtime.strict import Truth
from eventstore.events import StoredEvent

REQUEST_ATTRIBUTE = "bridgerequest"
ROUTE_ATTRIBUTE = "bridgeroute"


class ArgumentFields(SpecModel):
    """The argument of a signal or update."""

    argument: CompiledExpression | None = None
    """CEL; replaces the data in the envelope. Default: the event's own data."""
    bare: Truth = False
    """Send the argument without an envelope. The receiver then cannot detect repeats."""

    @model_validator(mode="after")
    def _bare_has_argument(self) -> Self:
        if self.bare and self.argument is None:
            raise ValueError("bare needs an argument; to send the event's data, argument: data")
        return self


class PlannedArgument(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The planned replacement of the event's own data."""

    value: Value = msgspec.UNSET
    """JSON; unset means the event's own data."""
    bare: bool = False


def plan_argument(spec: ArgumentFields, scope: EventScope) -> PlannedArgument:
    """Evaluate a route's argument for one event.

    Raises:
        ExpressionError: The expression fails on this event.
    """
    if spec.argument is None:
        return PlannedArgument()
    return PlannedArgument(value=scope.json(spec.argument), bare=spec.bare)


def argument(planned: PlannedArgument, dispatch: Dispatch, stored: StoredEvent) -> Argument:
    """Return the argument to send, as JSON: a list for a dispatch that calls for a window."""
    if dispatch.member_ids is not None:
        return Argument(data=listed(dispatch.members))
    return Argument(
        data=_sent(
            planned.value, dispatch.route, dispatch.request_id, stored, bare=planned.bare
        )
    )


def listed(members: Iterable[Member]) -> bytes:
    """Return the envelopes of a window's events, as a JSON list."""
    envelopes = []
    for each in members:
        own = given(each.call)
        envelopes.append(
            _sent(own.value, each.route, each.request_id, each.event, bare=own.bare)
        )
    return b"[" + b",".join(envelopes) + b"]"


def _sent(
    value: Value, route: str, request_id: UUID, stored: StoredEvent, *, bare: bool
) -> bytes:
    event = stored.event
    if value is not msgspec.UNSET:
        data = bytes(value)
        if bare:
            return data
        event = replace(event, data=data, datacontenttype="application/json", dataschema=None)
    extensions = {
        "correlationid": stored.correlation_id,
        **event.extensions,
        REQUEST_ATTRIBUTE: str(request_id),
        ROUTE_ATTRIBUTE: route,
    }
    return to_json(replace(event, extensions=extensions))
