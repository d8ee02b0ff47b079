"""The call a dispatch makes, and how the answer is judged. Temporal is a script here."""

from typing import Any
from uuid import UUID

import msgspec
import pytest

from bridge.calls import CallError, Run, StartCall
from bridge.dispatch.operations import Dispatch, carry_out, lineage, start_call
from bridge.dispatch.outcomes import Outcome
from bridge.intake.routing import request_id
from tests.unit.bridge.builders import CORRELATION, EVENT, stored

REQUEST = request_id(EVENT.uid, "ship", 1)
DISPATCH = Dispatch(
    id=1,
    uid=EVENT.uid,
    route="ship",
    generation=1,
    operation="start",
    target=f"ship/{EVENT.uid}",
    request_id=REQUEST,
    spec='{"workflow": "Ship", "task_queue": "shop"}',
    attempts=0,
    position=1,
)
OTHER = UUID(int=8)


class Script:
    """Answers calls as it was told to, and keeps what it was asked."""

    def __init__(self, start: Run | CallError, describe: Run | CallError | None = None) -> None:
        self._start = start
        self._describe = describe
        self.started: list[StartCall] = []
        self.described: list[tuple[str, str]] = []

    async def start(self, call: StartCall) -> Run:
        self.started.append(call)
        return answered(self._start)

    async def describe(self, workflow_id: str, run_id: str) -> Run:
        self.described.append((workflow_id, run_id))
        return answered(self._describe)


def answered(answer: Run | CallError | None) -> Run:
    if isinstance(answer, Run):
        return answer
    raise answer or AssertionError("nobody should have asked")


def held_by(request: UUID | str) -> CallError:
    holder = Run(run_id="run-0", start_request_id=str(request))
    return CallError("ALREADY_EXISTS", "already started", already_started=holder)


async def test_a_start_that_succeeds_is_done() -> None:
    temporal = Script(Run(run_id="run-1"))
    assert await carry_out(temporal, DISPATCH, stored()) == Outcome(
        state="done", run_id="run-1"
    )
    assert [call.request_id for call in temporal.started] == [REQUEST]


async def test_a_run_that_our_own_request_started_is_done() -> None:
    outcome = await carry_out(Script(held_by(REQUEST)), DISPATCH, stored())
    assert outcome == Outcome(state="done", run_id="run-0")


async def test_a_run_of_this_event_and_route_by_another_request_is_a_duplicate() -> None:
    temporal = Script(
        held_by(OTHER), Run(run_id="run-0", event_uid=str(EVENT.uid), route="ship")
    )
    outcome = await carry_out(temporal, DISPATCH, stored())
    assert outcome == Outcome(state="duplicate", run_id="run-0")
    assert temporal.described == [(DISPATCH.target, "run-0")]


@pytest.mark.parametrize(
    "holder",
    [
        Run(run_id="run-0", event_uid=str(OTHER), route="ship"),
        Run(run_id="run-0", event_uid=str(EVENT.uid), route="another"),
        Run(run_id="run-0"),
    ],
    ids=["another event", "another route", "not of the bridge"],
)
async def test_a_run_of_anothers_is_a_collision(holder: Run) -> None:
    outcome = await carry_out(Script(held_by(OTHER), holder), DISPATCH, stored())
    assert (outcome.state, outcome.code, outcome.run_id) == ("collision", "collision", "run-0")
    assert DISPATCH.target in (outcome.error or "")
    assert (holder.event_uid or "none") in (outcome.error or "")


async def test_a_holder_that_cannot_be_looked_at_is_looked_at_again() -> None:
    away = CallError("UNAVAILABLE", "away")
    outcome = await carry_out(Script(held_by(OTHER), away), DISPATCH, stored())
    assert (outcome.state, outcome.code) == ("open", "transient")


@pytest.mark.parametrize(
    ("error", "state"),
    [
        (CallError("UNAVAILABLE", "away"), "open"),
        (CallError("RESOURCE_EXHAUSTED", "slow down", limited=True), "open"),
        (CallError("INVALID_ARGUMENT", "too large"), "dead"),
    ],
)
async def test_a_start_that_fails_is_judged_by_its_class(error: CallError, state: str) -> None:
    outcome = await carry_out(Script(error), DISPATCH, stored())
    assert (outcome.state, outcome.error) == (state, str(error))


async def test_pauses_grow_with_the_attempts_made_before() -> None:
    script = Script(CallError("UNAVAILABLE", "away"))
    later = msgspec.structs.replace(DISPATCH, attempts=9)
    assert (await carry_out(script, DISPATCH, stored())).pause <= 0.2
    assert (await carry_out(script, later, stored())).pause >= 5


def test_the_call_says_what_to_start_and_for_whom() -> None:
    call = start_call(DISPATCH, stored())
    assert (call.workflow, call.task_queue) == ("Ship", "shop")
    assert (call.workflow_id, call.request_id) == (DISPATCH.target, REQUEST)
    assert (call.argument, call.argument_is_json) == (b'{"n": 1}', True)
    assert call.search_attributes == {
        "BridgeRoute": "ship",
        "EventUid": str(EVENT.uid),
        "EventType": "com.example.placed",
        "CorrelationId": "c-1",
    }
    assert call.memo["ce"] == {
        "id": "42",
        "source": "/shop",
        "type": "com.example.placed",
        "subject": "order 7",
        "hops": 2,
    }


def test_bytes_and_no_data_are_arguments_too() -> None:
    octets = msgspec.structs.replace(EVENT, data=b"\xff", datacontenttype="image/png")
    nothing = msgspec.structs.replace(EVENT, data=None)
    assert not start_call(DISPATCH, stored(octets)).argument_is_json
    assert start_call(DISPATCH, stored(nothing)).argument is None


@pytest.mark.parametrize(
    ("hops", "counted"), [(2, 2), ("2", 2), ("two", 0), (-1, 0), (True, 0), ("", 0)]
)
def test_a_run_learns_what_caused_it(hops: Any, counted: int) -> None:
    event = msgspec.structs.replace(EVENT, extensions={"hops": hops})
    assert lineage("ship", stored(event)) == {
        "uid": str(EVENT.uid),
        "route": "ship",
        "correlation_id": "c-1",
        "correlation_uid": str(CORRELATION),
        "hops": counted,
    }


def test_absurd_hops_count_for_nothing() -> None:
    event = msgspec.structs.replace(EVENT, extensions={"hops": "9" * 5000})
    assert lineage("ship", stored(event))["hops"] == 0
