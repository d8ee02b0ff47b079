"""The shipped deployers and the shipped monitor pass their contracts."""

from pathlib import Path

import pytest

from eventstore.database import Database
from tests.integration.workflows.services.test_monitoring import rules_files
from tests.integration.workflows.services.world import UNWELL, WELL, World, priced, recording
from workflows.adapters.prometheus.monitor import RULES, PrometheusRules, RulesFolder
from workflows.ports import Deployer, Monitor
from workflows.testing.deployer import DeployerContract
from workflows.testing.monitor import ENVIRONMENT, MonitorContract, Watched


class TestRecordingDeployer(DeployerContract):
    healthy = WELL
    changed = priced(6)
    unhealthy = UNWELL

    @pytest.fixture
    def deployer(self, database: Database, tmp_path: Path) -> Deployer:
        return recording(database, tmp_path).deployer


@pytest.mark.slow
class TestRunningDeployer(DeployerContract):
    healthy = WELL
    changed = priced(6)
    unhealthy = UNWELL

    @pytest.fixture
    def deployer(self, world: World) -> Deployer:
        return world.deployer


class TestPrometheusRules(MonitorContract):
    @pytest.fixture
    def monitor(self, database: Database, tmp_path: Path) -> Monitor:
        return PrometheusRules(database, RulesFolder(database, tmp_path))

    @pytest.fixture
    def watched(self, tmp_path: Path) -> Watched:
        async def watched() -> set[str]:
            names = [name.removesuffix(RULES).split("@") for name in rules_files(tmp_path)]
            return {service for environment, service in names if environment == ENVIRONMENT}

        return watched
