"""Which events a route takes: the index against looking at every route, and what is planned."""

import json
from collections.abc import Sequence
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from bridge.jetstream.subjects import matches, may_meet
from bridge.operations.fetching import fetches
from bridge.routes.matching import is_among, may_begin_like, mismatch
from bridge.routes.model import Route, RoutesFile
from bridge.routes.table import RouteTable
from eventstore.events import Event

START = {"workflow": "W", "task_queue": "q"}
TOKENS = st.sampled_from(["a", "b", "c"])
TOPICS = st.lists(TOKENS, min_size=1, max_size=4).map(".".join)
TYPES = st.lists(TOKENS, min_size=1, max_size=3).map(".".join)


@st.composite
def filters(draw: st.DrawFn) -> str:
    tokens = draw(st.lists(TOKENS | st.just("*"), max_size=3))
    if not tokens or draw(st.booleans()):
        tokens.append(draw(st.just(">") | TOKENS))
    return ".".join(tokens)


@st.composite
def conditions(draw: st.DrawFn) -> dict[str, Any]:
    said: dict[str, Any] = {"from": draw(filters()), "start": START}
    if draw(st.booleans()):
        said["type"] = draw(TYPES) + draw(st.sampled_from(["", "*", ".*"]))
    if draw(st.booleans()):
        said["source"] = draw(st.sampled_from(["/s", "/t", "/*", "*"]))
    if draw(st.booleans()):
        said["extensions"] = {"tier": draw(st.sampled_from(["gold", "true", "3"]))}
    return said


@st.composite
def events(draw: st.DrawFn) -> Event:
    tier = draw(st.sampled_from([None, "gold", True, 3]))
    return Event(
        id="1",
        source=draw(st.sampled_from(["/s", "/t", "x"])),
        type=draw(TYPES),
        extensions={} if tier is None else {"tier": tier},
    )


def routes(said: Sequence[dict[str, Any]]) -> tuple[Route, ...]:
    named = [{"name": f"r{index}", **each} for index, each in enumerate(said)]
    return RoutesFile.model_validate({"routes": named}).routes


def table(*said: dict[str, Any]) -> RouteTable:
    return RouteTable(routes(said))


@given(st.lists(conditions(), max_size=8), TOPICS, events())
def test_the_index_finds_what_looking_at_every_route_finds(
    said: list[dict[str, Any]], topic: str, event: Event
) -> None:
    all_routes = routes(said)
    naive = [route.name for route in all_routes if mismatch(route, topic, event) is None]
    indexed = RouteTable(all_routes)
    assert [plan.route for plan in indexed.plan(topic, event)] == naive
    assert naive == [
        verdict.route for verdict in indexed.explain(topic, event) if verdict.plan is not None
    ]


@given(st.lists(conditions(), max_size=8), TOPICS, TYPES)
def test_candidates_are_those_whose_subject_and_type_are_right(
    said: list[dict[str, Any]], topic: str, event_type: str
) -> None:
    all_routes = routes(said)
    wanted = [
        route
        for route in all_routes
        if matches(route.subject, topic) and _is_like(route.type, event_type)
    ]
    assert list(RouteTable(all_routes).candidates(topic, event_type)) == wanted


def _is_like(wanted: str | None, given_: str) -> bool:
    if wanted is None or wanted == given_:
        return True
    return wanted.endswith("*") and given_.startswith(wanted[:-1])


@given(filters(), filters(), TOPICS)
def test_filters_that_cannot_meet_never_do(one: str, other: str, topic: str) -> None:
    assert may_meet(one, other) == may_meet(other, one)
    if matches(one, topic) and matches(other, topic):
        assert may_meet(one, other)


@pytest.mark.parametrize(
    ("one", "other", "meet"),
    [
        ("a.b", "a.b", True),
        ("a.b", "a.*", True),
        ("a.*", "*.b", True),
        ("a.>", "a.b.c", True),
        ("a.>", "a", False),
        ("a.b", "a.b.>", False),
        ("a.b", "a.c", False),
        (">", "x.y", True),
    ],
)
def test_filters_meet(one: str, other: str, meet: bool) -> None:  # noqa: FBT001
    assert may_meet(one, other) is meet


def test_many_routes_mean_few_candidates() -> None:
    kinds = {
        "subjects": [{"from": f"events.d{n}.x", "start": START} for n in range(1000)],
        "types": [{"from": "events.>", "type": f"t{n}", "start": START} for n in range(1000)],
        "prefixes": [
            {"from": "events.>", "type": f"t{n}.*", "start": START} for n in range(1000)
        ],
    }
    for said in kinds.values():
        many = table(*said)
        assert len(many.candidates("events.d7.x", "t7")) <= 1
        assert len(many.candidates("events.d7.x", "t7.y")) <= 1
        assert not many.candidates("results.d7.x", "u")


def test_candidates_keep_the_order_of_the_file() -> None:
    said = [{"from": subject, "start": START} for subject in (">", "a.b", "a.*", "*.b", "a.>")]
    assert [r.name for r in table(*said).candidates("a.b", "t")] == [
        "r0",
        "r1",
        "r2",
        "r3",
        "r4",
    ]


EVENT = Event(id="42", source="/shop", type="t", data=b'{"n": 1, "id": "o-1"}')


def reason(said: dict[str, Any], event: Event = EVENT, topic: str = "a.b") -> str:
    (verdict,) = table({"from": "a.b", "start": START, **said}).explain(topic, event)
    return f"{verdict.state}: {verdict.reason}"


def test_the_first_condition_that_does_not_hold_is_told() -> None:
    assert reason({}) == "matched: "
    assert reason({"from": "a.c"}) == "not matched: from: 'a.b' is not covered by 'a.c'"
    assert reason({"type": "u"}) == "not matched: type: 't' is not 'u'"
    assert reason({"type": "u*"}) == "not matched: type: 't' is not 'u*'"
    assert reason({"source": "/x"}) == "not matched: source: '/shop' is not '/x'"
    missing = reason({"extensions": {"tier": "gold"}})
    assert missing == "not matched: extensions.tier: the event has none"
    silver = msgspec.structs.replace(EVENT, extensions={"tier": "silver"})
    other = reason({"extensions": {"tier": "gold"}}, silver)
    assert other == "not matched: extensions.tier: 'silver' is not 'gold'"
    assert reason({"when": "data.n > 1"}) == "not matched: when: data.n > 1 is false"


def test_a_failing_expression_is_the_route_s_own_outcome() -> None:
    failing = {"from": "a.b", "when": "data.missing == 1", "start": START}
    sound = {"from": "a.b", "start": START}
    dead, planned = table(failing, sound).plan("a.b", EVENT)
    assert (dead.route, dead.state, dead.target) == ("r0", "dead", "")
    assert "Key not found" in (dead.error or "")
    assert (planned.route, planned.state) == ("r1", "open")
    assert reason({"when": "data.missing == 1"}).startswith(
        "failed: 'data.missing == 1' failed"
    )


def test_a_condition_that_guards_itself_merely_does_not_hold() -> None:
    said = {"when": "has(data.missing) && data.missing == 1"}
    assert reason(said).startswith("not matched")
    assert reason(said, msgspec.structs.replace(EVENT, data=None)).startswith("not matched")


@pytest.mark.parametrize(
    ("said", "error"),
    [
        ({"start": {**START, "id": "data.n"}}, "where a string is needed"),
        ({"start": {**START, "id": "''"}}, "is not a valid workflow id"),
        ({"start": {**START, "id": "'a\\nb'"}}, "is not a valid workflow id"),
        ({"start": {**START, "id": "'" + "ä" * 501 + "'"}}, "is not a valid workflow id"),
        ({"key": "''", "start": START}, "is not a valid key"),
        ({"key": "data.n", "start": START}, "where a string is needed"),
        ({"only": ["order/*"], "start": {**START, "id": "data.id"}}, "may touch (order/*)"),
        ({"start": {**START, "input": "'a\\u0000b'"}}, "contains a NUL character"),
    ],
)
def test_what_cannot_be_planned_is_dead_with_the_reason(
    said: dict[str, Any], error: str
) -> None:
    (plan,) = table({"from": "a.b", **said}).plan("a.b", EVENT)
    assert plan.state == "dead"
    assert error in (plan.error or "")


def test_only_lets_pass_what_it_names() -> None:
    said = {"from": "a.b", "only": ["x/*", "o-*"], "start": {**START, "id": "data.id"}}
    (plan,) = table(said).plan("a.b", EVENT)
    assert (plan.state, plan.target, plan.key) == ("open", "o-1", "o-1")


def test_a_mistake_of_ours_stops_one_route_only(monkeypatch: pytest.MonkeyPatch) -> None:
    both = table({"from": "a.b", "start": START}, {"from": "a.b", "start": START})

    def plan(*_: object, **names: str) -> object:
        if names["route"] == "r0":
            raise OSError("out of luck")
        return original(*_, **names)

    original: Any = both.routes[0].operation.plan
    monkeypatch.setattr(both.routes[0].operation, "plan", plan)
    dead, planned = both.plan("a.b", EVENT)
    assert dead.state == "dead"
    assert dead.error == "unexplained: OSError('out of luck')"
    assert planned.state == "open"


@given(st.binary(max_size=60), st.sampled_from([None, "text/plain", "application/json"]))
def test_planning_never_raises(data: bytes, content_type: str | None) -> None:
    event = Event(id="1", source="/s", type="t", data=data, datacontenttype=content_type)
    said = {"from": "a.b", "when": "data.x == 1", "start": {**START, "input": "data"}}
    assert len(table(said, {"from": "a.b", "start": START}).plan("a.b", event)) >= 1


@pytest.mark.parametrize(
    ("pattern", "text", "like"),
    [
        ("order/*", "order/1", True),
        ("order/*", "order/a\nb", True),
        ("order/*", "orders/1", False),
        ("*", "", True),
        ("a?c", "abc", False),
        ("a[b]c", "a[b]c", True),
        ("*-x-*", "a-x-b", True),
        ("x", "xy", False),
    ],
)
def test_patterns_know_nothing_but_stars(pattern: str, text: str, like: bool) -> None:  # noqa: FBT001
    assert is_among([pattern], text) is like


@given(st.text("ab/", max_size=4), st.text("ab/*", max_size=4), st.text("ab/", max_size=4))
def test_what_cannot_begin_so_never_does(prefix: str, pattern: str, rest: str) -> None:
    if is_among([pattern], prefix + rest):
        assert may_begin_like(pattern, prefix)


@pytest.mark.parametrize(
    ("event", "is_fetched"),
    [
        (Event(id="1", source="/s", type="t", extensions={"dataref": "https://h/1"}), True),
        (Event(id="1", source="/s", type="t"), False),
        (Event(id="1", source="/s", type="t", data=b"1", extensions={"dataref": "x"}), False),
        (Event(id="1", source="/s", type="t", data=b'"\\"fetch_data\\":true"'), False),
    ],
    ids=["named data", "no data", "own data", "the mark as content"],
)
@pytest.mark.parametrize("mode", ["fetch", "ignore"])
def test_data_are_fetched_only_for_a_route_that_says_so(
    event: Event, mode: str, *, is_fetched: bool
) -> None:
    for operation in (
        {"start": START},
        {"signal": {"signal": "s", "workflow_id": "event.id"}},
        {"update_with_start": {**START, "update": "u", "workflow_id": "event.id"}},
    ):
        route = {"name": "r", "from": ">", "dataref": mode, **operation}
        (plan,) = RouteTable([Route.model_validate(route)]).plan("a", event)
        assert fetches(plan.call) == (is_fetched and mode == "fetch")
        # As Postgres gives it back.
        assert fetches(json.dumps(json.loads(plan.call)).encode()) == fetches(plan.call)


@pytest.mark.parametrize(
    "operation",
    [
        {"start": {**START, "input": "data"}},
        {"signal": {"signal": "s", "workflow_id": "event.id", "argument": "data"}},
        {
            "signal": {
                "signal": "s",
                "workflow_id": "event.id",
                "when_missing": "start",
                "start": {**START, "input": "data"},
            }
        },
        {"cancel": {"workflow_id": "event.id"}},
    ],
)
def test_expressions_over_data_that_are_fetched_later_are_refused(
    operation: dict[str, Any],
) -> None:
    with pytest.raises(ValidationError, match="dataref: fetch"):
        Route.model_validate({"name": "r", "from": ">", "dataref": "fetch", **operation})
