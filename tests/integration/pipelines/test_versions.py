"""Worker deployment versions on the real server: runs stay with the build they began on."""

import secrets

import pytest
from temporalio.api.enums.v1 import VersioningBehavior
from temporalio.client import WorkflowHandle

from tests.support.pipelines import Scenario, Started, System, system
from tests.support.pipelines_bridge import PipelinesBridge
from tests.support.scripted_worker import Act

pytestmark = pytest.mark.slow

QUICK = Scenario(name="quick", pipeline="code-generation")
HANGING = Scenario(
    name="hanging",
    pipeline="code-generation",
    acts={"qagent.generate_code": Act(hangs="before")},
)


async def version_of(running: System, started: Started) -> tuple[str, int]:
    """The build that a run belongs to, and how it is bound to it."""
    handle: WorkflowHandle[object, object] = running.temporal.get_workflow_handle(
        started.workflow_id
    )
    info = (await handle.describe()).raw_description.workflow_execution_info.versioning_info
    return info.deployment_version.build_id, info.behavior


@pytest.mark.timeout(400)
async def test_a_run_stays_with_the_build_that_it_began_on(
    pipelines_bridge: PipelinesBridge,
) -> None:
    bridge = pipelines_bridge
    deployment = {"NTBRIDGE_WORKER_DEPLOYMENT": f"tests-{secrets.token_hex(4)}"}
    current = {**deployment, "NTBRIDGE_WORKER_MAKE_CURRENT": "true"}
    first = bridge.scripted_worker("first", NTBRIDGE_WORKER_BUILD_ID="1.0", **current)
    second = bridge.scripted_worker("second", NTBRIDGE_WORKER_BUILD_ID="1.1", **deployment)
    third = bridge.scripted_worker("third", NTBRIDGE_WORKER_BUILD_ID="1.2", **current)
    pinned = VersioningBehavior.VERSIONING_BEHAVIOR_PINNED
    async with system(bridge, bridge.daemon(), first) as running:
        old = await running.publish(HANGING)
        await running.reached(old, "qagent.generate_code")

        await second.start()
        before = await running.publish(QUICK)
        await running.outcome(before)
        assert await version_of(running, before) == ("1.0", pinned), "nobody made 1.1 current"
        await second.stop()

        await third.start()
        after = await running.publish(QUICK)
        await running.outcome(after)
        assert await version_of(running, after) == ("1.2", pinned)

        await first.kill()
        await first.start()
        await running.outcome(old)
        assert await version_of(running, old) == ("1.0", pinned)
        await third.kill()
