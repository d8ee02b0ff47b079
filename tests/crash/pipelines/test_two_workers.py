"""Two workers with separate disks, either killed at random: every run ends as specified.

They share Postgres and an object store that speaks S3, and nothing else. What one began, the other
continues. ``TEST_RUNS`` says how many runs of each pipeline there are.
"""

import asyncio
import logging
import os
import random
import uuid
from collections import Counter
from collections.abc import Sequence

import pytest

from bridge.devstack.child import Child
from tests.support.own_s3 import BUCKET, own_s3
from tests.support.pipelines import Effects, Outcome, Scenario, System, system
from tests.support.pipelines_bridge import PipelinesBridge
from tests.support.scenarios import LIGHT

pytestmark = [pytest.mark.torture, pytest.mark.timeout(3600)]

_log = logging.getLogger(__name__)

RUNS = int(os.environ.get("TEST_RUNS", "20"))
PAUSES = (2.0, 10.0)
"""Seconds between the start of a worker and the next kill, at least and at most."""
MADE = {
    "code-generation": Effects(patterns=1),
    "infra-provision": Effects(("a", "b", "c"), revisions=1),
    "devsecops": Effects(("reports", "results"), 1, 1, 1, 1, 1),
    "complete-code": Effects(("uploads",), 1, 1, 0, 1, 1),
}


def scenario(pipeline: str) -> Scenario:
    resources = [{"name": name, "kind": "bucket"} for name in "abc"]
    return Scenario(
        name=f"two-{pipeline}-{uuid.uuid4().hex[:6]}",
        pipeline=pipeline,
        data={"resources": resources} if pipeline == "infra-provision" else {},
        acts=LIGHT,
    )


async def test_every_run_ends_as_specified(pipelines_bridge: PipelinesBridge) -> None:
    bridge = pipelines_bridge
    seed = random.randrange(2**32)
    _log.warning("seed %d", seed)
    with own_s3() as variables:
        workers = [
            bridge.scripted_worker(
                f"worker-{disk}",
                **variables,
                NTBRIDGE_WORKER_ARTEFACTS=f"s3://{BUCKET}/two-workers",
                NTBRIDGE_WORKER_STATE=str(bridge.folder / disk),
                NTBRIDGE_WORKER_QINFRA__PAUSE="0.2",
            )
            for disk in ("one", "two")
        ]
        async with system(bridge, bridge.daemon(), *workers) as running:
            outcomes = await _killed_meanwhile(running, workers, random.Random(seed))
    ended = Counter((each.scenario.pipeline, each.told[-1].name) for each in outcomes)
    _log.warning("ended %s", dict(ended))
    for outcome in outcomes:
        _as_specified(outcome)
    completed = sum(count for (_, name), count in ended.items() if name == "completed")
    assert completed > len(outcomes) / 2, (
        "a run fails only when all attempts of a step are killed"
    )


async def _killed_meanwhile(
    running: System, workers: Sequence[Child], dice: random.Random
) -> Sequence[Outcome]:
    """Run all scenarios, a few at a time, and kill a worker now and then."""
    at_once = asyncio.Semaphore(8)

    async def one(pipeline: str) -> Outcome:
        async with at_once:
            return await running.run(scenario(pipeline))

    async def kill() -> None:
        while True:
            await asyncio.sleep(dice.uniform(*PAUSES))
            victim = dice.choice(workers)
            await victim.kill()
            await victim.start()

    killing = asyncio.create_task(kill())

    async def all_of_them() -> list[Outcome]:
        return await asyncio.gather(*(one(each) for _ in range(RUNS) for each in MADE))

    ending = asyncio.create_task(all_of_them())
    try:
        await asyncio.wait([killing, ending], return_when=asyncio.FIRST_COMPLETED)
        assert not killing.done(), killing.exception()
        return await ending
    finally:
        killing.cancel()
        ending.cancel()
        await asyncio.gather(killing, ending, return_exceptions=True)


def _as_specified(outcome: Outcome) -> None:
    """A completed run has all effects; a failed one none but those that it reports."""
    name, effects = outcome.scenario.name, outcome.effects
    if outcome.told[-1].name == "completed":
        expected = MADE[outcome.scenario.pipeline]
        assert effects == expected or effects == _unlearned(expected), name
        return
    reported = outcome.closing.get("left_behind", [])
    if not reported:
        left = (effects.resources, effects.in_force, effects.rules, effects.patterns)
        assert left == ((), 0, 0, 0), (name, outcome.closing)


def _unlearned(expected: Effects) -> Effects:
    """The same without the pattern, which is optional for a run."""
    return Effects(**{**vars(expected), "patterns": 0})
