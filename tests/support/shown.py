"""Prints fixed answers as the commands print them, for golden files: ``python -m tests.support.shown``."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from bridge.cli.dead_letters.view import COLUMNS, letter_row
from bridge.cli.events.explain_view import print_tree, tree_for
from bridge.cli.events.trace_view import tree_of_trace
from bridge.cli.printer import Printer
from bridge.cli.status.view import show
from bridge.dead_letters.store import Letter
from bridge.health.snapshot import SourceState, StoreState, StreamState
from bridge.inspect.activity import (
    MinuteEvents,
    MinuteOutcome,
    RouteOutcomes,
    RoutePending,
    StuckLane,
)
from bridge.inspect.explanation import (
    Delivered,
    Dispatched,
    Explanation,
    Happened,
    RouteNote,
    RunNow,
    Trace,
)
from bridge.inspect.failures import FailureGroup
from bridge.inspect.overview import Overview
from bridge.pauses import Pause
from bridge.runtime.findings import Finding
from bridge.runtime.terminal import print_text

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)
COMMANDS = ("status", "explain", "trace", "dead-letters ls")


def ago(**span: float) -> datetime:
    """A time before now."""
    return NOW - timedelta(**span)


def happened(number: int, topic: str, **more: Any) -> Happened:
    """An event of the chain."""
    values: dict[str, Any] = {
        "uid": UUID(int=number << 96),
        "id": f"order-{number}",
        "source": "/shop",
        "type": "io.example.shop.ordered.v1",
        "topic": topic,
        "origin": "received" if number == 1 else "emitted",
        "stream": "order-4711",
        "version": number,
        "position": 40 + number,
        "recorded_at": ago(seconds=100 - 3 * number),
        "correlation_id": "order-1",
        "causation_id": None,
    }
    return Happened(**{**values, **more})


def dispatched(number: int, route: str, target: str, **more: Any) -> Dispatched:
    """A dispatch of the chain."""
    values: dict[str, Any] = {
        "id": number,
        "uid": UUID(int=1 << 96),
        "route": route,
        "route_digest": b"1",
        "generation": 1,
        "operation": "start",
        "key": target,
        "target": target,
        "state": "done",
        "run_id": f"run-{number}",
        "attempts": 1,
        "next_attempt_at": NOW,
        "waiting_until": None,
        "error": None,
        "daemon": "host:17:1a2b3c4d",
        "planned_at": ago(seconds=97),
        "settled_at": ago(seconds=96.9),
        "run": RunNow(run_id=f"run-{number}", status="completed"),
    }
    return Dispatched(**{**values, **more})


def chain() -> Happened:
    """An order, shipped by one run; a notification that fails, and a bill that comes after it."""
    pending = {
        "planned_at": ago(seconds=94),
        "state": "open",
        "settled_at": None,
        "run": None,
        "run_id": None,
    }
    notify = dispatched(
        2, "notify", "mail/order-1", attempts=3, error="UNAVAILABLE: no connection",
        holds=["next try in 12 s (attempt 4)"], **pending,
    )  # fmt: skip
    bill = dispatched(
        3, "bill", "bill/order-1", attempts=0,
        holds=[
            "route bill is paused since 2026-11-30 11:00:00Z by ada@host: the bank is away",
            "blocked by start mail/order-1 by route notify (event order-2), ahead of it in lane a",
        ], **pending,
    )  # fmt: skip
    shipped = happened(2, "results.shop.shipped", dispatches=[notify, bill])
    closed = happened(
        3, "results.workflow.completed", id="c28a9871-2687-55bb-8643-9ac6b0b8450c"
    )
    return happened(
        1,
        "events.shop.ordered",
        dispatches=[dispatched(1, "ship", "ship/order-1", events=[shipped, closed])],
        letters=[letter(7, "dispatch", "permanent", "INVALID_ARGUMENT: no such customer")],
    )


def letter(number: int, stage: Any, code: str, reason: str, **more: Any) -> Letter:
    """A dead letter."""
    values: dict[str, Any] = {
        "id": number,
        "stage": stage,
        "code": code,
        "reason": reason,
        "state": "open",
        "attempts": 3,
        "recorded_at": ago(minutes=number),
        "route": "score" if stage == "dispatch" else None,
        "uid": UUID(int=number << 96) if stage == "dispatch" else None,
        "event_id": f"order-{number}",
    }
    return Letter(**{**values, **more})


def explanation() -> Explanation:
    """What happened to the order."""
    return Explanation(
        event=chain(),
        deliveries=[
            Delivered(
                stream="EVENTS",
                stream_created=ago(days=3),
                sequence=12,
                topic="events.shop.ordered",
                verdict="matched",
                recorded_at=ago(seconds=97),
            )
        ],
        caused_by=None,
        routes=[
            _note("ship", "matched", "dispatched"),
            _note("large-orders", "not matched", "not dispatched", "when: data.total > 1000.0"),
            _note(
                "tickets",
                "not matched",
                "not dispatched",
                "from: 'events.shop.ordered' is not covered by 'events.tickets.>'",
            ),
        ],
        remarks=["Temporal was asked for the first 100 runs only"],
        at=NOW,
    )


def _note(route: str, today: Any, recorded: Any, reason: str = "") -> RouteNote:
    return RouteNote(
        route=route, today=today, recorded=recorded, revision="same", reason=reason
    )


def overview() -> Overview:
    """A bridge with one of each problem."""
    stream = StreamState("EVENTS", messages=1_204_331)
    minutes = [ago(minutes=each) for each in range(60)]
    return Overview(
        at=NOW,
        ready=False,
        findings=[
            Finding("postgres", "ok", "answers"),
            Finding("dead letters", "warning", "19 open", "see 'ntbridge dead-letters ls'"),
            Finding(
                "source ORDERS/ntbridge",
                "failed",
                "host:17:1a2b3c4d holds its lease, but is not attached to the stream: there is no "
                "consumer",
                "see /readyz and the log of host:17:1a2b3c4d",
            ),
        ],
        sources=[
            SourceState("EVENTS/ntbridge", stream=stream, has_consumer=True, messages=12, seconds=4.2),
            SourceState("TICKETS/ntbridge-tickets_all-1f2e3d4c", stream=stream, messages=70_311, seconds=9_000),
        ],
        streams=[stream],
        store=StoreState(
            open=31, waiting=2, letters={"dispatch": 17, "intake": 2}, relay_positions=3,
            relay_seconds=1.5,
        ),
        leases={"host:17:1a2b3c4d": {"partition": 16}, "host:18:5e6f7a8b": {"partition": 16}},
        lanes=[
            StuckLane(
                namespace="", key="mail/order-1", dispatches=2, since=ago(seconds=97), id=2,
                uid=UUID(int=2 << 96), event_id="order-2", route="notify", operation="start",
                target="mail/order-1", state="open", attempts=3, next_attempt_at=NOW,
                waiting_until=None, error="UNAVAILABLE: no connection",
            )
        ],
        failures=[
            FailureGroup(
                stage="dispatch", code="permanent", route="score", letters=17,
                shape="INVALID_ARGUMENT: no such customer", first=ago(days=2), last=ago(minutes=7),
            ),
            FailureGroup(
                stage="intake", code="json", route=None, letters=2,
                shape="the body is not JSON: byte …", first=ago(days=1), last=ago(hours=3),
            ),
        ],
        pauses=[_pause("source", "TICKETS/ntbridge-tickets_all-1f2e3d4c"), _pause("route", "bill")],
        routes=[
            RouteOutcomes(route="ship", settled=4310, done=4310, median=0.1, p95=0.3, last=NOW),
            RouteOutcomes(route="score", settled=40, done=23, dead=17, median=0.2, p95=31.0),
        ],
        pending=[
            RoutePending(route="bill", open=30, waiting=0, oldest=ago(minutes=60)),
            RoutePending(route="notify", open=1, waiting=2, oldest=ago(seconds=97)),
        ],
        outcomes=[
            MinuteOutcome(minute=at, route="ship", state="done", dispatches=each)
            for each, at in enumerate(minutes)
        ],
        events=[MinuteEvents(minute=at, events=73) for at in minutes],
    )  # fmt: skip


def _pause(kind: Any, name: str) -> Pause:
    return Pause(
        kind=kind, name=name, since=ago(hours=1), who="ada@host", reason="the bank is away"
    )


def main() -> None:
    """Print each command's line and its output."""
    for command in COMMANDS:
        print_text(f"$ ntbridge {command}")
        match command:
            case "status":
                show(overview(), clear=False)
            case "explain":
                print_tree(explanation(), tree_for(explanation()), None)
            case "trace":
                traced = Trace(asked=UUID(int=2 << 96), event=chain(), remarks=[], at=NOW)
                print_tree(traced, tree_of_trace(traced), None)
            case _:
                letters = [
                    letter(
                        9, "intake", "json",
                        "the body is not JSON: Expecting ',' delimiter at byte 17 of 34, which follows 'total'",
                    ),
                    letter(7, "dispatch", "permanent", "INVALID_ARGUMENT: no such customer"),
                ]  # fmt: skip
                Printer(None, COLUMNS, now=NOW).all(
                    letter_row(each, cut=True) for each in letters
                )


if __name__ == "__main__":
    main()
