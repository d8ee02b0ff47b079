"""One system that all scenarios go through at the same time."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass

import pytest
import pytest_asyncio

from bridge.devstack.addresses import Addresses
from bridge.devstack.child import Child
from tests.support import databases
from tests.support.git_repository import BareRepository
from tests.support.killed_scenarios import KILLED
from tests.support.pipelines import Outcome, System, system
from tests.support.pipelines_bridge import PipelinesBridge
from tests.support.pipelines_fixtures import pipelines_bridge
from tests.support.scenarios import IMPACT_TOO_HIGH, REVIEW_TIMED_OUT, SCENARIOS
from tests.support.services import ending_services
from tests.support.webhook_receiver import SECRET, Receiver, receiving

__all__ = ["pipelines_bridge"]

Outcomes = Mapping[str, Outcome]


@dataclass(frozen=True)
class Running:
    """A system, its worker, which may be killed, and the people whom it notifies."""

    system: System
    worker: Child
    people: Receiver
    repository: BareRepository
    """Where code is proposed."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def pipelines(
    stack: Addresses, migrated_template: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Running]:
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
        repository = BareRepository(bridge.folder / "repository")
        await repository.create()
        async with receiving() as people, ending_services(url):
            worker = bridge.scripted_worker(
                NTBRIDGE_WORKER_NOTIFIER__WEBHOOK=people.url,
                NTBRIDGE_WORKER_NOTIFIER__SECRET=SECRET,
                NTBRIDGE_WORKER_CODEHOST__REPOSITORY=str(repository.path),
            )
            async with system(bridge, bridge.daemon(), worker) as made:
                yield Running(made, worker, people, repository)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def outcomes(pipelines: Running) -> Outcomes:
    """What became of every scenario, by its name; some of them outlive their worker."""
    of = pipelines.system
    hanging = [await of.publish(scenario) for scenario in KILLED]
    skipping = await of.start_skipping(REVIEW_TIMED_OUT)
    ended = await asyncio.gather(
        *(of.run(scenario) for scenario in SCENARIOS), of.outcome(skipping)
    )
    last = await of.run(IMPACT_TOO_HIGH)
    await of.kill_at_hangs(hanging, pipelines.worker)
    outlived = await asyncio.gather(*(of.outcome(each) for each in hanging))
    return {outcome.scenario.name: outcome for outcome in (*ended, last, *outlived)}
