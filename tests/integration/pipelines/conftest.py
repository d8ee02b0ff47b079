"""One system that all scenarios go through at the same time."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Mapping

import pytest
import pytest_asyncio

from bridge.devstack.addresses import Addresses
from tests.support import databases
from tests.support.pipelines import Outcome, PipelinesBridge, System, system
from tests.support.scenarios import IMPACT_TOO_HIGH, REVIEW_TIMED_OUT, SCENARIOS

Outcomes = Mapping[str, Outcome]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def pipelines(
    stack: Addresses, migrated_template: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[System]:
    """A daemon and a worker with all modules."""
    token = secrets.token_hex(4)
    async with databases.database(stack.database_url, template=migrated_template) as url:
        bridge = PipelinesBridge(
            addresses=stack,
            database_url=url,
            prefix=f"t{token}",
            task_queue=f"queue-{token}",
            folder=tmp_path_factory.mktemp("pipelines"),
        )
        await bridge.set_up()
        async with system(bridge, bridge.daemon(), bridge.scripted_worker()) as running:
            yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def outcomes(pipelines: System) -> Outcomes:
    """What became of every scenario, by its name."""
    skipping = await pipelines.start_skipping(REVIEW_TIMED_OUT)
    ended = await asyncio.gather(
        *(pipelines.run(scenario) for scenario in SCENARIOS), pipelines.outcome(skipping)
    )
    last = await pipelines.run(IMPACT_TOO_HIGH)
    return {outcome.scenario.name: outcome for outcome in (*ended, last)}
