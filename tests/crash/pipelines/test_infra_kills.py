"""A worker killed while it changes environments: each change is made once, or undone whole."""

import asyncio
import uuid
from collections.abc import Mapping
from pathlib import Path

import pytest

from bridge.devstack.child import Child
from tests.support.pipelines import Outcome, PipelinesBridge, Scenario, Started, system
from tests.support.scripted_worker import Act
from tests.support.waiting import eventually
from workflows.adapters.local.ledger import EnvironmentLedger, What

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


def ledger_of(bridge: PipelinesBridge, started: Started) -> EnvironmentLedger:
    return EnvironmentLedger(bridge.state / "environments" / started.scenario.name)


def resources_of(ledger: EnvironmentLedger) -> list[str]:
    place: Path = ledger.folder / "resources"
    return sorted(each.name for each in place.glob("*"))


async def at_least(ledger: EnvironmentLedger, count: int) -> None:
    """Wait until so many resources are there."""
    await eventually(lambda: len(resources_of(ledger)) >= count, within=300)


def changes_of(ledger: EnvironmentLedger) -> list[str]:
    return sorted(each.name.partition("-")[0] for each in (ledger.folder / "history").glob("*"))


async def test_each_change_is_made_once_wherever_the_worker_dies(
    infra: PipelinesBridge,
) -> None:
    worker = worker_of(infra)
    async with system(infra, infra.daemon(), worker) as running:
        # A life for each number of resources that are made when it ends.
        halfway = [await running.publish(scenario(f"half-{n}")) for n in range(3)]
        for lives in range(3):
            ledger = ledger_of(infra, halfway[lives])
            await at_least(ledger, 1 + 3 * lives)
            await worker.kill()
            await worker.start()
        outcomes = await asyncio.gather(*(running.outcome(each) for each in halfway))
    for started, outcome in zip(halfway, outcomes, strict=True):
        _provisioned_once(ledger_of(infra, started), outcome)


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
        ledger = ledger_of(infra, each)
        if each.scenario.name.startswith("made"):
            _provisioned_once(ledger, outcome)
        else:
            assert outcome.told[-1].name == "failed"
            assert outcome.closing["left_behind"] == []
            assert resources_of(ledger) == []
            assert changes_of(ledger) == []
            assert not (ledger.folder / "journal.json").exists()


def _provisioned_once(ledger: EnvironmentLedger, outcome: Outcome) -> None:
    assert [each.name for each in outcome.told] == ["planned", "provisioned", "completed"]
    assert resources_of(ledger) == [each["name"] for each in RESOURCES]
    assert changes_of(ledger) == ["00000001"]
    assert ledger.state.revision == 1
    assert ledger.unfinished is None
    key = ledger.last_key()
    assert key is not None
    assert ledger.latest(key, What.PROVISION) is not None
