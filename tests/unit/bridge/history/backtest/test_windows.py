"""How many calls routes with windows make over a history."""

from typing import Any

from msgspec.structs import replace

from bridge.history.backtest.windows import CallCount, CallsByRoute, differing, windowed
from bridge.routes.model import Route
from bridge.routes.table import RouteTable
from eventstore.events import StoredEvent
from tests.support.operations import TOPIC, event_of
from tests.unit.bridge import builders

TIMES = [0, 1, 2, 10, 11, 12, 13]
"""Seconds at which the events of the history were recorded."""


def table(**says: Any) -> RouteTable:
    signal = {"signal": "s", "workflow_id": '"w"'}
    return RouteTable(
        [Route.model_validate({"name": "r", "from": "events.>", "signal": signal, **says})]
    )


def history() -> list[StoredEvent]:
    return [
        replace(
            builders.stored(event_of({"n": n}), topic=TOPIC),
            position=n,
            recorded_us=at * 1_000_000,
        )
        for n, at in enumerate(TIMES, 1)
    ]


def counted(routes: RouteTable) -> CallsByRoute:
    calls = CallsByRoute(["r"])
    for stored in history():
        calls.add(stored, routes.plan(TOPIC, stored.event))
    calls.finish()
    return calls


def test_calls_are_simulated_at_the_times_of_the_history() -> None:
    assert counted(table()).calls["r"] == {n: (n, 1) for n in range(1, 8)}
    debounced = counted(table(debounce={"for": 5}))
    assert debounced.calls["r"] == {3: (1, 3), 7: (4, 4)}
    batched = counted(table(batch={"for": 5, "size": 2}))
    assert batched.calls["r"] == {2: (1, 2), 3: (3, 1), 5: (4, 2), 7: (6, 2)}


def test_what_differs_is_counted() -> None:
    before, after = table(), table(debounce={"for": 5})
    assert windowed(before, table()) == frozenset()
    assert windowed(before, after) == {"r"}
    (found,) = differing(counted(before), counted(after), ["r"])
    assert found == CallCount(route="r", events=(7, 7), calls=(7, 2), others=7, first=1)
    # Nothing of the history comes late enough to tell these two apart.
    assert differing(counted(after), counted(table(debounce={"for": 7})), ["r"]) == []
