"""Log fields and trace attributes of a judged delivery. Pure."""

from dataclasses import replace

from msgspec import structs

from bridge.intake.decision import Accepted, Counted, Judged, PassedOver, SetAside
from bridge.jetstream.subjects import shown_subject
from bridge.telemetry import ReceivedMessage


def described(judged: Judged) -> dict[str, object]:
    """Return the log fields of a delivery."""
    delivery = judged.delivery
    about: dict[str, object] = {
        "topic": shown_subject(delivery.topic),
        "sequence": delivery.sequence,
        "payload": delivery.payload,
    }
    match judged:
        case SetAside(code=code):
            return {**about, "code": code}
        case PassedOver(reason=reason):
            return {**about, "passed_over": reason}
        case Counted(event=event):
            return {**about, "event_uid": str(event.uid), "counted": True}
        case Accepted(event=event, plan=plan):
            routes = [dispatch.route for dispatch in plan]
            return {**about, "event_uid": str(event.uid), "routes": routes}


def arrival_of(judged: Judged) -> ReceivedMessage:
    """Return the attributes from which its trace is made."""
    delivery = judged.delivery
    about = shown_subject(delivery.topic), delivery.headers, len(delivery.payload)
    match judged:
        case SetAside(loop=loop, code=code):
            return ReceivedMessage(*about, loop, code)
        case PassedOver():
            return ReceivedMessage(*about, None, None)
        case Accepted(event=event) | Counted(event=event):
            return ReceivedMessage(*about, event, None)


def traced(judged: Judged, trace: str | None) -> Judged:
    """Return it with dispatches that continue the trace."""
    if not isinstance(judged, Accepted) or trace is None:
        return judged
    return replace(
        judged, plan=tuple(structs.replace(each, trace=trace) for each in judged.plan)
    )
