"""A worker killed while it changes environments: each change is made once, or undone whole."""

import asyncio
import uuid
from collections.abc import Mapping

import pytest

from bridge.devstack.child import Child
from tests.support.environments import SeenSlice
from tests.support.pipelines import Outcome, Scenario, Started, system
from tests.support.pipelines_bridge import PipelinesBridge
from tests.support.scripted_worker import Act
from tests.support.waiting import eventually

pytestmark = [pytest.mark.torture, pytest.mark.timeout(1800)]

PAUSE = 0.4
"""Seconds before each resource: time to die in."""
COUNT = 8
RESOURCES: list[dict[str, object]] = [{"name": f"r{n}", "kind": "bucket"} for n in range(COUNT)]
IMPOSSIBLE = {"name": "zz", "kind": "endpoint", "properties": {"port": 70000}}


def scenario(name: str, *more: Mapping[str, object], **acts: Act) -> Scenario:
    return Scenario(
        name=f"{name}-{uuid.uuid4().hex[:6]}",
        pipeline="infra-provision",
        data={"resources": [*RESOURCES, *more]},
        acts={f"qinfra.{activity}": act for activity, act in acts.items()},
    )


@pytest.fixture
def infra(pipelines_bridge: PipelinesBridge) -> PipelinesBridge:
    return pipelines_bridge


def worker_of(bridge: PipelinesBridge) -> Child:
    return bridge.scripted_worker(NTBRIDGE_WORKER_QINFRA__PAUSE=str(PAUSE))


async def at_least(bridge: PipelinesBridge, started: Started, count: int) -> None:
    """Wait until so many resources are there."""

    async def found() -> bool:
        return len((await bridge.seen(started.scenario.name)).names) >= count

    await eventually(found, within=300)


async def test_each_change_is_made_once_wherever_the_worker_dies(
    infra: PipelinesBridge,
) -> None:
    worker = worker_of(infra)
    async with system(infra, infra.daemon(), worker) as running:
        # A life for each number of resources that are made when it ends.
        halfway = [await running.publish(scenario(f"half-{n}")) for n in range(3)]
        for lives in range(3):
            await at_least(infra, halfway[lives], 1 + 3 * lives)
            await worker.kill()
            await worker.start()
        outcomes = await asyncio.gather(*(running.outcome(each) for each in halfway))
    for started, outcome in zip(halfway, outcomes, strict=True):
        _provisioned_once(await infra.seen(started.scenario.name), outcome)


async def test_before_and_after_each_activity(infra: PipelinesBridge) -> None:
    worker = worker_of(infra)
    moments = ("before", "after")
    goes_well = [scenario(f"made-{each}", provision=Act(hangs=each)) for each in moments]
    goes_wrong = [
        scenario(f"undone-{each}", IMPOSSIBLE, roll_back=Act(hangs=each)) for each in moments
    ]
    async with system(infra, infra.daemon(), worker) as running:
        started = [await running.publish(each) for each in (*goes_well, *goes_wrong)]
        await running.kill_at_hangs(started, worker)
        outcomes = await asyncio.gather(*(running.outcome(each) for each in started))
    for each, outcome in zip(started, outcomes, strict=True):
        seen = await infra.seen(each.scenario.name)
        if each.scenario.name.startswith("made"):
            _provisioned_once(seen, outcome)
        else:
            assert outcome.told[-1].name == "failed"
            assert outcome.closing["left_behind"] == []
            assert seen.names == []
            assert seen.changes == []
            assert not seen.unfinished


def _provisioned_once(seen: SeenSlice, outcome: Outcome) -> None:
    assert [each.name for each in outcome.told] == ["planned", "provisioned", "completed"]
    assert seen.names == [each["name"] for each in RESOURCES]
    assert seen.changes == [(1, "provision")]
    assert not seen.unfinished
