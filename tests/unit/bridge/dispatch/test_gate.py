"""One call, and the gate that closes while Temporal is away."""

import asyncio
import json
from datetime import timedelta
from time import monotonic
from typing import Any

import pytest
from msgspec.structs import replace

from bridge.dispatch.gate import Gate
from bridge.dispatch.pace import Pace
from bridge.operations.outcomes import Outcome
from tests.support.daemon_parts import ScriptedTemporal
from tests.support.waiting import eventually
from tests.unit.bridge.builders import EVENT, stored
from tests.unit.bridge.dispatch.builders import PLANNED_AT, at_ease, dispatch

AWAY = ("UNAVAILABLE", "nobody answers")


def gate(temporal: Any, limit: int = 8) -> Gate:
    return Gate(temporal, at_ease(Pace(limit)))


async def call(one: Gate, number: int = 1, **row: Any) -> Outcome:
    data = json.dumps({"key": "k", "number": number}).encode()
    mine = dispatch(number, **row)
    return await one.carry_out(mine, stored(replace(EVENT, data=data)), one.begin(mine))


async def test_an_answer_is_an_outcome_and_room_is_given_back() -> None:
    one = gate(ScriptedTemporal())
    assert one.room == 8
    assert (await call(one)).state == "done"
    assert one.room == 8


@pytest.mark.parametrize(("minutes", "state"), [(59, "open"), (61, "dead")])
async def test_deadlines_are_judged_by_the_databases_time_whatever_this_machines_clock_says(
    minutes: int, state: str
) -> None:
    temporal = ScriptedTemporal()
    temporal.failing["k"].append(AWAY)
    # By the database it is that long after the event; this machine's clock is years ahead.
    taken_at = PLANNED_AT + timedelta(minutes=minutes)
    row: dict[str, Any] = {
        "taken_at": taken_at,
        "read_at": monotonic(),
        "give_up_seconds": 3600.0,
    }
    assert (await call(gate(temporal), **row)).state == state


async def test_as_many_are_in_flight_as_the_pace_allows() -> None:
    temporal = ScriptedTemporal()
    temporal.held["k"] = asyncio.Event()
    one = gate(temporal, 3)
    calls = [asyncio.create_task(call(one, number)) for number in range(3)]
    await eventually(lambda: len(temporal.arrived) == 3)
    assert one.room == 0
    temporal.held["k"].set()
    await asyncio.gather(*calls)
    assert one.room == 3


async def test_a_call_made_alone_holds_up_the_others_for_a_moment_only() -> None:
    temporal: Any = ScriptedTemporal()
    pace = at_ease(Pace(3))
    one = Gate(temporal, pace)
    while pace.limit > 1:
        await call(one)
    temporal.held["k"] = asyncio.Event()
    held = asyncio.create_task(call(one))
    await eventually(lambda: len(temporal.arrived) > 0 and one.room == 0)

    def others_may_begin() -> bool:
        one.give_up_long_look()
        return one.room > 0

    assert not others_may_begin()
    await eventually(others_may_begin)
    assert one.room > 1
    temporal.held["k"].set()
    await held


async def test_the_gate_closes_when_nobody_can_be_reached_and_one_call_tries_it() -> None:
    temporal = ScriptedTemporal()
    temporal.failing["k"].extend([AWAY] * 4)
    one = gate(temporal)
    for _ in range(2):
        assert (await call(one)).state == "open"
        assert (one.room, one.opens_in) == (8, 0.0)
    await call(one)
    assert one.room == 0
    first = one.opens_in
    assert 0 < first <= 0.2
    await asyncio.sleep(first)
    # It may be back: one call finds out.
    assert one.room == 1
    await call(one)
    assert one.room == 0
    await asyncio.sleep(one.opens_in)
    assert (await call(one)).state == "done"
    assert one.room == 8


async def test_a_limit_that_was_exceeded_slows_everybody() -> None:
    temporal: Any = ScriptedTemporal()
    pace = at_ease(Pace(8))
    one = Gate(temporal, pace)

    temporal.limited = 1
    outcome = await call(one, give_up_attempts=1)
    assert (outcome.state, outcome.limited) == ("open", True)
    assert pace.limit == 4
    assert one.room == 0
    await asyncio.sleep(one.opens_in)
    assert one.room == 4


async def test_a_bug_of_ours_is_an_outcome_with_its_traceback() -> None:
    one = gate(ScriptedTemporal())
    outcome = await call(one, operation="unheard-of")
    assert (outcome.state, outcome.code) == ("open", "unexplained")
    assert "KeyError" in (outcome.traceback or "")
    assert (await call(one, operation="unheard-of", attempts=4)).state == "dead"


async def test_an_event_without_its_data_is_never_sent() -> None:
    temporal = ScriptedTemporal()
    one, mine = gate(temporal), dispatch(1)
    tombstone = replace(stored(replace(EVENT, data=None)), removal=3)
    outcome = await one.carry_out(mine, tombstone, one.begin(mine))
    assert (outcome.state, outcome.code) == ("dead", "event-removed")
    assert one.room == 8


@pytest.mark.parametrize("status", ["UNAVAILABLE", "DEADLINE_EXCEEDED"])
async def test_temporal_does_not_answer_after_some_calls_without_an_answer(status: str) -> None:
    temporal = ScriptedTemporal()
    temporal.failing["k"].extend([(status, "nothing came")] * 3)
    one = gate(temporal)
    answered = []
    for number in range(4):
        await call(one, number)
        answered.append(one.is_answered)
    assert answered == [True, True, False, True]
