"""Events that may take long are evaluated in a child process: same results, no held loop."""

import asyncio
import base64
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import msgspec
import pytest

from bridge.cel import compile_expression
from bridge.cloudevents.codec import encode
from bridge.errors import DecodeError
from bridge.evaluation import INLINE_BYTES, Evaluator
from bridge.routes.table import PlannedDispatch, RouteResult, table_of
from bridge.sources import SourceMessage
from tests.unit.bridge.evaluation.builders import (
    BAD_PATTERN,
    SCHEMA,
    START,
    TOPIC,
    event,
    table,
)

HELD_SECONDS = 0.1
"""50 ms on a machine that is not shared; what is not mended takes seconds."""
BAD_SEARCH = {"text": "a" * 1_200_000, "word": "a" * 600_000 + "b"}
"""Takes ten seconds: the engine compares all of the word at each place of the text."""


def dense(size: int) -> dict[str, Any]:
    """Data of many small objects, which take most to decode and convert."""
    return {"kind": "x", "l": [{"a": i, "b": f"v{i}", "c": [1, 2]} for i in range(size // 36)]}


def comparable(planned: Sequence[PlannedDispatch | RouteResult]) -> list[Any]:
    """Return plans without the order of the members of objects, which CEL does not keep."""
    found = [msgspec.to_builtins(each) for each in planned]
    for each in found:
        plan = each if "call" in each else each["plan"]
        if plan is not None:
            plan["call"] = msgspec.json.decode(base64.b64decode(plan["call"]))
    return found


@contextmanager
def loop_held() -> Iterator[list[float]]:
    """Measure how long the event loop was held at most, in seconds, less what others took.

    Only time that this process was computing counts: on a busy machine it waits as well.
    """
    most = [0.0]

    async def look() -> None:
        while True:
            began = time.process_time()
            await asyncio.sleep(0)
            most[0] = max(most[0], time.process_time() - began)
            await asyncio.sleep(0.001)

    looking = asyncio.create_task(look())
    try:
        yield most
    finally:
        looking.cancel()


async def test_what_is_planned_does_not_depend_on_where(evaluator: Evaluator) -> None:
    routes = table(
        {"name": "a", "when": 'data.kind == "x"', "key": '"k/" + data.kind'},
        {"name": "b", "start": {**START, "input": "data.l[0]", "memo": {"m": "data.kind"}}},
        {"name": "c", "when": "data.nothing"},
        {"name": "d", "when": 'data.kind == "y"'},
    )
    for size in (100, 2 * INLINE_BYTES):
        one = event(dense(size))
        _, payload = encode(one)
        received = await evaluator.receive(
            routes, SourceMessage(topic=TOPIC, payload=payload), 16
        )
        assert received.event == one
        assert received.digest == (one.digest if len(payload) > INLINE_BYTES else None)
        expected = comparable(routes.plan(TOPIC, one))
        assert comparable(received.plan) == expected
        assert comparable(await evaluator.plan(routes, TOPIC, one)) == expected
        explained = await evaluator.explain(routes, TOPIC, one, 3)
        expected = comparable(routes.explain(TOPIC, one, 3))
        assert comparable(explained) == expected


@pytest.mark.parametrize(
    ("payload", "code"),
    [
        (b"{" + b" " * 2 * INLINE_BYTES, "json"),
        (b'{"id": "%s"}' % (b"x" * 10**5), "specversion"),
    ],
    ids=["json", "specversion"],
)
async def test_a_large_message_that_is_no_event_is_refused(
    evaluator: Evaluator, payload: bytes, code: str
) -> None:
    with pytest.raises(DecodeError) as refusal:
        await evaluator.receive(table(), SourceMessage(topic=TOPIC, payload=payload), 16)
    assert refusal.value.code == code


async def test_a_large_event_is_checked_and_its_hops_counted(evaluator: Evaluator) -> None:
    routes = table({"name": "a"}, schemas={"shop.placed.v1.json": SCHEMA})
    large = event({"n": "x", "more": "x" * 2 * INLINE_BYTES})
    assert "is not of type" in (await evaluator.check(routes, large) or "")
    _, payload = encode(large)
    received = await evaluator.receive(routes, SourceMessage(topic=TOPIC, payload=payload), 16)
    assert "is not of type" in (received.violation or "")
    assert not received.plan
    looping = msgspec.structs.replace(large, extensions={"hops": 17})
    received = await evaluator.receive(
        routes, SourceMessage(topic=TOPIC, payload=encode(looping)[1]), 16
    )
    assert (received.event, received.violation, received.plan) == (looping, None, [])


@pytest.mark.slow
async def test_a_route_that_takes_too_much_is_a_dead_letter_and_the_others_go_on(
    evaluator: Evaluator,
) -> None:
    routes = table(
        {"name": "before", "when": "size(data.text) > 0"},
        {"name": "bad", "when": "data.text.contains(data.word)"},
        {"name": "after", "key": '"k"'},
    )
    with loop_held() as held:
        plans = await evaluator.plan(routes, TOPIC, event(BAD_SEARCH))
    assert [(plan.route, plan.state) for plan in plans] == [
        ("before", "open"),
        ("bad", "dead"),
        ("after", "open"),
    ]
    assert "processor time" in (plans[1].error or "")
    assert held[0] < HELD_SECONDS
    assert plans[2].key == "k"
    assert len(await evaluator.plan(routes, TOPIC, event({"text": "a", "word": "a"}))) == 3


@pytest.mark.parametrize(
    ("when", "data"),
    [
        pytest.param("data.text.matches(data.word)", BAD_PATTERN, marks=pytest.mark.torture),
        pytest.param(
            "data.text.matches(data.word)",
            {"text": "a" * 30_000, "word": "(.{1,1000})b"},
            marks=pytest.mark.slow,
        ),
        pytest.param(
            "data.text.replace(data.a, data.word).size() > 0",
            {"text": "a" * 25_000, "a": "a", "word": "b" * 25_000},
            marks=pytest.mark.torture,
        ),
        pytest.param(
            "data.l.join(data.word).size() > 0",
            {"l": ["a"] * 9_000, "word": "b" * 25_000},
            marks=pytest.mark.slow,
        ),
        ("data.l.map(x, x + 1).map(x, x).size() > 0", {"l": list(range(9_000))}),
        pytest.param(
            "data.l.exists(x, data.text.contains(x))",
            {"l": ["a" * 100 + "b"] * 400, "text": "a" * 20_000},
            marks=pytest.mark.slow,
        ),
    ],
    ids=["pattern", "counted", "replace", "join", "map", "exists"],
)
async def test_a_small_event_that_may_take_long_does_not_hold_the_loop(
    evaluator: Evaluator, when: str, data: Any
) -> None:
    routes = table({"name": "a", "when": when})
    small = event(data)
    assert len(small.data or b"") < INLINE_BYTES
    with loop_held() as held:
        await evaluator.plan(routes, TOPIC, small)
        await evaluator.explain(routes, TOPIC, small)
        await evaluator.holds(compile_expression(when, "bool"), TOPIC, small)
    assert held[0] < HELD_SECONDS


@pytest.mark.parametrize(
    "size",
    [1_000, 30_000, INLINE_BYTES, 2**20, pytest.param(8 * 2**20, marks=pytest.mark.slow)],
)
async def test_no_size_of_event_holds_the_loop(evaluator: Evaluator, size: int) -> None:
    routes = table(
        *(
            {"name": f"r{n}", "when": 'data.kind != "y"', "start": {**START, "input": "data"}}
            for n in range(3)
        ),
        schemas={"shop.placed.v1.json": SCHEMA},
    )
    _, payload = encode(event(dense(size)))
    with loop_held() as held:
        received = await evaluator.receive(
            routes, SourceMessage(topic=TOPIC, payload=payload), 16
        )
    assert [plan.state for plan in received.plan] == ["open"] * 3
    assert held[0] < HELD_SECONDS


@pytest.mark.slow
async def test_a_condition_that_takes_too_much_does_not_hold(evaluator: Evaluator) -> None:
    condition = compile_expression("data.text.matches(data.word)", "bool")
    assert await evaluator.holds(condition, TOPIC, event(BAD_PATTERN)) is False
    fitting = {"text": "a" * 2 * INLINE_BYTES, "word": "aa"}
    assert await evaluator.holds(condition, TOPIC, event(fitting)) is True


@pytest.mark.slow
async def test_memory_is_bounded(evaluator: Evaluator) -> None:
    doubled = "data.t"
    for _ in range(12):
        doubled = f"cel.bind(x, {doubled}, x + x)"
    routes = table({"name": "bad", "when": f"size({doubled}) > 0"}, {"name": "good"})
    plans = await evaluator.plan(routes, TOPIC, event({"t": "a" * 10**6}))
    assert [(plan.route, plan.state) for plan in plans] == [("bad", "dead"), ("good", "open")]


def test_a_table_made_of_a_definition_is_the_same() -> None:
    routes = table(
        {
            "name": "a",
            "type": "shop.*",
            "extensions": {"flag": "true"},
            "when": "data.n > 1 && data.t.matches('^a+$')",
            "key": '"k/" + data.k',
            "only": ["a/*"],
            "give_up_after": {"age": "1h30m", "attempts": 3},
            "rate": 2.5,
            "start": {
                **START,
                "id": '"a/" + event.uid',
                "execution_timeout": "24h",
                "search_attributes": {"A": "data.a"},
                "retry_policy": {"initial_interval": "500ms"},
            },
        },
        schemas={"shop.placed.v1.json": SCHEMA},
    )
    again = table_of(routes.definition)
    assert [route.digest for route in again.routes] == [route.digest for route in routes.routes]
    assert again.definition == routes.definition
    assert again.schemas.types == routes.schemas.types
