"""The infrastructure workflow on a real Temporal and a real store, in every branch."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.worker import Replayer

from eventstore.database import Database
from eventstore.store import EventStore
from tests.replay.infra_provision_branches import (
    BRANCHES,
    CANCELED,
    DAY,
    FAILED,
    Branch,
    Says,
    grants,
)
from tests.replay.infra_provision_runs import Ran, run_in
from tests.support.environments import look
from tests.support.scheduled import assert_limits, scheduled
from workflows.pipelines.infra_provision import InfraProvisionWorkflow
from workflows.pipelines.parts.approval import MAX_REFUSED_EVENTS
from workflows.worker.sandbox import sandbox

pytestmark = pytest.mark.slow

Told = list[tuple[str, dict[str, Any]]]


async def told_by(store: EventStore, ran: Ran) -> Told:
    events = [each async for each in store.read_stream(f"run-{ran.handle.id}")]
    return [
        (str(each.topic).removeprefix("results.infra."), json.loads(each.event.data or b"null"))
        for each in events
    ]


def one(told: Told, name: str) -> dict[str, Any]:
    (found,) = [data for each, data in told if each == name]
    return found


REPLAYED = {"answers-that-do-not-count", "approved"}
"""Replayed at every step: the longest suffice, and all are replayed from their histories."""


@pytest.mark.parametrize(
    ("branch", "cached"),
    [
        *(pytest.param(each, 100, id=each.name) for each in BRANCHES),
        *(
            pytest.param(each, 0, id=f"{each.name}-replayed")
            for each in BRANCHES
            if each.name in REPLAYED
        ),
    ],
)
async def test_every_branch_ends_as_it_should(
    branch: Branch,
    cached: int,
    client: Client,
    task_queue: str,
    store: EventStore,
    database: Database,
    tmp_path: Path,
) -> None:
    ran = await run_in(tmp_path, branch, client, task_queue, store, database, cached)
    told = await told_by(store, ran)
    assert [name for name, _ in told] == list(branch.emits)
    assert (await ran.handle.describe()).status == branch.status
    closing = told[-1][1]
    if branch.status in {FAILED, CANCELED}:
        assert closing["error"] == branch.error
        assert [each["reason"] for each in closing["left_behind"]] == (
            ["somebody else has changed it since"] if branch.sticks else []
        )
    else:
        assert (closing["status"], closing["reason"]) == (branch.result, branch.reason)
        assert await ran.handle.result() == closing
    await _check_what_is_there(database, branch, ran, closing)
    await Replayer(
        workflows=[InfraProvisionWorkflow],
        workflow_runner=sandbox(),
        data_converter=pydantic_data_converter,
    ).replay_workflow(await ran.handle.fetch_history())


async def _check_what_is_there(
    database: Database, branch: Branch, ran: Ran, closing: dict[str, Any]
) -> None:
    """Check what the run left behind, seen from outside."""
    row = await database.fetchrow("select environment, owner from environment_plans limit 1")
    environment, owner = (row["environment"], row["owner"]) if row else ("none", "")
    seen = await look(database, ran.state, environment, owner)
    if branch.result == "COMPLETED":
        assert seen.names == ["files"]
        assert seen.state.revision == closing["provisioned"]["revision"] == 1
    elif branch.sticks:
        assert seen.unfinished
    else:
        assert seen.names == (["theirs"] if branch.moves else [])
        assert not seen.unfinished


async def run(
    name: str,
    client: Client,
    task_queue: str,
    store: EventStore,
    database: Database,
    folder: Path,
) -> tuple[Ran, Told]:
    branch = next(each for each in BRANCHES if each.name == name)
    ran = await run_in(folder, branch, client, task_queue, store, database)
    return ran, await told_by(store, ran)


async def test_who_said_what_when_is_told(
    client: Client, task_queue: str, store: EventStore, database: Database, tmp_path: Path
) -> None:
    ran, told = await run("approved", client, task_queue, store, database, tmp_path)
    asked, granted = one(told, "approval-requested"), one(told, "approval-granted")
    assert asked["workflow_id"] == ran.handle.id
    assert asked["may_answer"] == ["ann", "bob"]
    assert asked["answer_with"] == "io.quantum-suite.infra.approval-answered.v1"
    assert asked["details"]["reasons"] == ["the environment is production"]
    assert (granted["who"], granted["why"], granted["source"]) == (
        *("ann", "it is time"),
        "/tests/people",
    )
    assert granted["request"] == asked["request"]
    assert granted["at"] < asked["until"]
    assert one(told, "confirmation-granted")["who"] == "bob"
    result = one(told, "completed")
    assert result["approval"] == granted
    assert [each.kind for each in ran.receiver.told] == [
        "io.quantum-suite.infra.approval-requested.v1",
        "io.quantum-suite.infra.confirmation-requested.v1",
    ]
    assert [each.to for each in ran.receiver.told] == [("ann", "bob"), ("ann", "bob")]


async def test_an_answer_that_does_not_count_is_told_with_its_reason(
    client: Client, task_queue: str, store: EventStore, database: Database, tmp_path: Path
) -> None:
    _, told = await run(
        "answers-that-do-not-count", client, task_queue, store, database, tmp_path
    )
    refused = [data for name, data in told if name == "approval-refused"]
    for data, reason in zip(
        refused,
        (
            "it came before the question",
            "mallory may not answer, only ann, bob",
            "it answers infra-provision/other/approval, not ",
            "approved: Input should be a valid boolean",
            "the data: Input should be a valid dictionary",
            "it came too late",
            "no envelope: ",
        ),
        strict=True,
    ):
        assert reason in data["reason"]
    assert refused[1]["who"] == "mallory"
    assert one(told, "approval-granted")["refused"] == 5


async def test_a_flood_of_answers_does_not_make_a_run_tell_without_end(
    client: Client, task_queue: str, store: EventStore, database: Database, tmp_path: Path
) -> None:
    flood = [grants(who="mallory")] * (MAX_REFUSED_EVENTS + 5)
    denies = Says(after="approval-requested", data={"who": "ann", "approved": False})
    branch = Branch(name="flooded", says=(*flood, denies), emits=())
    told = await told_by(
        store, await run_in(tmp_path, branch, client, task_queue, store, database)
    )
    assert [name for name, _ in told].count("approval-refused") == MAX_REFUSED_EVENTS
    assert one(told, "approval-denied")["refused"] == MAX_REFUSED_EVENTS + 5


async def test_a_day_without_an_answer(
    client: Client, task_queue: str, store: EventStore, database: Database, tmp_path: Path
) -> None:
    ran, told = await run("approval-unanswered", client, task_queue, store, database, tmp_path)
    history = await ran.handle.fetch_history()
    began, ended = history.events[0].event_time, history.events[-1].event_time
    assert DAY <= (ended.ToDatetime() - began.ToDatetime()).total_seconds() < DAY + 600
    assert one(told, "approval-escalated")["may_answer"] == ["ann", "bob", "eve"]
    assert [each.to for each in ran.receiver.told] == [
        *[("ann", "bob")] * 2,
        ("eve",),
        ("ann", "bob", "eve"),
    ]


async def test_the_phase_of_a_run_can_be_searched_for(
    client: Client, task_queue: str, store: EventStore, database: Database, tmp_path: Path
) -> None:
    ran, _ = await run("denied", client, task_queue, store, database, tmp_path)
    description = await ran.handle.describe()
    assert description.search_attributes["Phase"] == ["approval"]


async def test_each_step_is_given_half_an_hour_and_five_tries(
    client: Client, task_queue: str, store: EventStore, database: Database, tmp_path: Path
) -> None:
    ran, _ = await run("impact-low", client, task_queue, store, database, tmp_path)
    assert_limits(await ran.handle.fetch_history(), timedelta(minutes=30), tries=5)


async def test_rolling_back_may_take_as_long_as_provisioning(
    client: Client, task_queue: str, store: EventStore, database: Database, tmp_path: Path
) -> None:
    ran, _ = await run("provision-refused", client, task_queue, store, database, tmp_path)
    steps = scheduled(await ran.handle.fetch_history())
    (undoing,) = [step for step in steps if step.name == "qinfra.roll_back"]
    assert (undoing.start_to_close, undoing.tries) == (timedelta(minutes=30), 10)
