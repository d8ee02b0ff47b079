"""Where trees, graphs and sparklines put what they draw."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from uuid import UUID

import yaml

from bridge.console.drawing.graph import ROW_HEIGHT, draw_graph
from bridge.console.drawing.sparkline import sparklines
from bridge.console.drawing.tree import MAX_ROWS, draw_tree
from bridge.inspect.activity import MinuteOutcome
from bridge.inspect.explanation import Dispatched, Happened
from bridge.routes.loading import load_routes

NOW = datetime(2026, 11, 30, 4, 0, 30, tzinfo=UTC)


def event(
    number: int, after: float = 0.0, **more: list[Happened] | list[Dispatched]
) -> Happened:
    return Happened(
        uid=UUID(int=number),
        id=f"e-{number}",
        source="/s",
        type="t",
        topic=f"events.e{number}",
        origin="received",
        stream="s",
        version=1,
        position=number,
        recorded_at=NOW + timedelta(seconds=after),
        correlation_id="e-1",
        causation_id=None,
        **more,  # type: ignore[arg-type]
    )


def dispatch(state: str, begin: float, end: float | None, events: list[Happened]) -> Dispatched:
    return Dispatched(
        id=1,
        uid=UUID(int=1),
        route="r",
        route_digest=b"",
        generation=1,
        operation="start",
        key="k",
        target="w",
        state=state,
        run_id=None,
        attempts=1,
        next_attempt_at=NOW,
        waiting_until=None,
        error=None,
        daemon=None,
        planned_at=NOW + timedelta(seconds=begin),
        settled_at=None if end is None else NOW + timedelta(seconds=end),
        events=events,
    )


def test_a_tree_shows_each_cause_above_its_effects_with_their_times() -> None:
    root = event(1, dispatches=[dispatch("done", 1, 3, [event(2, 4)])], events=[event(3, 2)])
    tree = draw_tree(root, UUID(int=2))
    first, second, third, fourth = tree.rows
    assert [row.kind for row in tree.rows] == ["event", "dispatch", "event", "event"]
    assert [row.is_here for row in tree.rows] == [False, False, True, False]
    assert first.x < second.x < third.x
    assert fourth.x == second.x
    assert (third.parent_x, third.parent_y) == (second.x, second.y)
    assert (second.offset, second.seconds) == (1.0, 2.0)
    assert first.begin < second.begin < third.begin
    assert second.width > first.width
    assert [tick.seconds for tick in tree.ticks] == [0.0, 1.0, 2.0, 3.0, 4.0]


def test_a_large_or_deep_tree_is_bounded() -> None:
    wide = draw_tree(event(1, events=[event(n) for n in range(2, MAX_ROWS + 50)]), UUID(int=1))
    assert (len(wide.rows), wide.hidden) == (MAX_ROWS, 49)
    deep = event(100)
    for number in range(99, 0, -1):
        deep = event(number, events=[deep])
    assert max(row.x for row in draw_tree(deep, UUID(int=1)).rows) < 300
    assert min(row.room for row in draw_tree(deep, UUID(int=1)).rows) > 20


def test_boxes_of_a_graph_do_not_overlap(tmp_path: Path) -> None:
    start = {"workflow": "W", "task_queue": "q"}
    routes = [
        {
            "name": f"r{number}",
            "from": f"events.s{number % 3}.x",
            "start": {**start, "workflow": f"W{number % 2}"},
        }
        for number in range(7)
    ]
    file = tmp_path / "routes.yaml"
    file.write_text(yaml.safe_dump({"routes": routes}))
    graph = draw_graph(load_routes(file).routes)
    for kind, many in (("subject", 3), ("route", 7), ("workflow", 2)):
        heights = sorted(box.y for box in graph.boxes if box.kind == kind)
        assert len(heights) == many
        assert all(below - above >= ROW_HEIGHT for above, below in pairwise(heights))
        assert heights[-1] + ROW_HEIGHT <= graph.height
    assert [line.verb for line in graph.lines] == ["", "start"] * 7
    assert draw_graph(()).boxes == []


def test_a_sparkline_counts_the_minutes_of_the_last_hour() -> None:
    def outcome(ago: int, state: str, many: int) -> MinuteOutcome:
        minute = NOW.replace(second=0) - timedelta(minutes=ago)
        return MinuteOutcome(minute=minute, route="r", state=state, dispatches=many)

    lines = sparklines(
        [
            outcome(0, "done", 3),
            outcome(0, "dead", 1),
            outcome(59, "done", 2),
            outcome(60, "done", 9),
        ],
        NOW,
    )
    line = lines["r"]
    assert (line.total, line.bad, line.most) == (6, 1, 4)
    first, last = sorted(line.bars, key=lambda bar: bar.x)
    assert (first.x, first.good, first.bad) == (0, 12.0, 0.0)
    assert (last.x, last.good, last.bad) == (59, 18.0, 6.0)
    assert sparklines([], NOW) == {}
