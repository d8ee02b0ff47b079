"""A worker killed in each activity of the pipelines, before its work and after it."""

import pytest

from tests.support.killed_scenarios import KILL_MATRIX
from tests.support.pipelines import Effects, system
from tests.support.pipelines_bridge import PipelinesBridge

pytestmark = pytest.mark.torture


async def test_a_run_outlives_its_worker_wherever_that_dies(
    pipelines_bridge: PipelinesBridge,
) -> None:
    bridge = pipelines_bridge
    worker = bridge.scripted_worker()
    async with system(bridge, bridge.daemon(), worker) as running:
        outcomes = await running.kill_all(KILL_MATRIX, worker)
    made = {
        "devsecops": Effects(("reports", "results"), 1, 1, 1, 1, 1),
        "complete-code": Effects(("uploads",), 1, 1, 0, 1, 1),
    }
    for outcome in outcomes:
        scenario = outcome.scenario
        assert [told.name for told in outcome.told] == list(scenario.emits), scenario.name
        assert outcome.status == scenario.status, scenario.name
        if scenario.error is None:
            assert outcome.effects == made[scenario.pipeline], scenario.name
        else:
            assert outcome.closing["left_behind"] == []
            assert outcome.effects == Effects(releases=1, revisions=2), scenario.name
