"""The rules by which the story of an event is put together."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from bridge.inspect.explanation import Dispatched, compare, descendants, happened, tree_of
from bridge.routes.table import RouteResult
from eventstore.events import Event, Origin, StoredEvent
from tests.unit.bridge.builders import stored
from tests.unit.bridge.dead_letters.builders import letter

AT = datetime(2024, 5, 1, tzinfo=UTC)


def event(number: int, cause: StoredEvent | None = None, stream: str = "run-a") -> StoredEvent:
    return stored(
        Event(id=str(number), source="/s", type="t"),
        position=number,
        stream=stream,
        causation_uid=None if cause is None else cause.uid,
    )


def dispatch(uid: UUID, target: str = "a", **changes: Any) -> Dispatched:
    values: dict[str, Any] = {
        "id": 1, "uid": uid, "route": "ship", "route_digest": b"1", "generation": 1,
        "operation": "start", "key": target, "target": target, "state": "done", "run_id": "r",
        "attempts": 1, "next_attempt_at": AT, "waiting_until": None, "error": None,
        "daemon": "d", "planned_at": AT, "settled_at": AT,
    }  # fmt: skip
    return Dispatched(**{**values, **changes})


def test_descendants_are_found_over_any_number_of_steps() -> None:
    root = event(1)
    child = event(2, root)
    grandchild = event(3, child)
    stranger = event(4, event(9))
    assert descendants(root.uid, [grandchild, stranger, child]) == [child, grandchild]


def test_a_circle_of_causes_ends() -> None:
    root = event(1)
    child = event(2, root)
    looping = stored(root.event, position=1, causation_uid=child.uid)
    assert descendants(root.uid, [looping, child]) == [child]


def test_the_same_workflow_id_in_two_namespaces_is_told_apart_by_the_source() -> None:
    root = event(1)
    emitted = stored(
        Event(id="2", source="/temporal/billing.acct/Ship", type="t"),
        position=2,
        stream="run-a",
        causation_uid=root.uid,
    )
    dispatches = [dispatch(root.uid), dispatch(root.uid, namespace="billing")]
    names = {"": "default", "billing": "billing.acct"}
    tree = tree_of(root, [emitted], dispatches, [], names)
    assert [len(each.events) for each in tree.dispatches] == [0, 1]


def test_events_hang_under_the_dispatch_whose_run_emitted_them() -> None:
    root = event(1)
    emitted, elsewhere = event(2, root, "run-b"), event(3, root, "run-c")
    nested = event(4, emitted, "run-d")
    dispatches = [dispatch(root.uid, "a"), dispatch(root.uid, "b"), dispatch(emitted.uid, "d")]
    tree = tree_of(root, [emitted, elsewhere, nested], dispatches, [])
    first, second = tree.dispatches
    assert (first.events, [each.id for each in second.events]) == ([], ["2"])
    assert [each.id for each in tree.events] == ["3"]
    [below] = second.events
    assert [each.id for each in below.dispatches[0].events] == ["4"]


def test_letters_hang_under_their_events_or_else_under_the_first() -> None:
    root = event(1)
    child = event(2, root)
    letters = [
        letter(id=1, uid=child.uid),
        letter(id=2, uid=None),
        letter(id=3, uid=UUID(int=9)),
    ]
    tree = tree_of(root, [child], [], letters)
    assert [each.id for each in tree.letters] == [2, 3]
    assert [each.id for each in tree.events[0].letters] == [1]


@pytest.mark.parametrize(
    ("recorded", "today", "digest", "expected", "says"),
    [
        (True, "matched", b"1", ("matched", "same"), ""),
        (True, "matched", b"2", ("matched", "changed"), "changed since"),
        (True, "not matched", b"2", ("not matched", "changed"), "would not dispatch it today"),
        (True, "failed", b"1", ("failed", "same"), "though the route is the same"),
        (True, None, b"1", ("removed", "removed"), "removed from the routes"),
        (False, "matched", b"1", ("matched", "unknown"), "newer than the event"),
        (False, "not matched", b"1", ("not matched", "unknown"), ""),
    ],
)
def test_what_was_recorded_is_compared_with_today(
    recorded: bool,  # noqa: FBT001
    today: Any,
    digest: bytes,
    expected: tuple[str, str],
    says: str,
) -> None:
    verdicts = (
        [] if today is None else [RouteResult(route="ship", state=today, reason="because")]
    )
    planned = [dispatch(UUID(int=1))] if recorded else []
    [note] = compare(planned, verdicts, {"ship": digest})
    assert (note.today, note.revision) == expected
    assert says in note.note
    assert bool(note.note) == bool(says)


@pytest.mark.parametrize(
    ("data", "origin", "reason"),
    [
        (b'{"reason": "it broke", "error": "E"}', Origin.EMITTED, "it broke"),
        (b'{"reason": "why a person asked"}', Origin.RECEIVED, None),
        (b'{"reason": ["no", "text"]}', Origin.EMITTED, None),
        (b'["no object"]', Origin.EMITTED, None),
        (None, Origin.EMITTED, None),
    ],
)
def test_what_was_emitted_is_told_with_its_reason(
    data: bytes | None, origin: Origin, reason: str | None
) -> None:
    found = stored(Event(id="1", source="/s", type="t", data=data), origin=origin)
    assert happened(found).reason == reason
