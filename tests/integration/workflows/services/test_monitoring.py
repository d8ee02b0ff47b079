"""Monitoring rules: rows and files, and what a real Prometheus makes of them."""

import json
import os
import signal
from pathlib import Path

import pytest
import yaml

from eventstore.database import Database
from tests.integration.workflows.services.test_running import listener_on
from tests.integration.workflows.services.world import World
from tests.support.own_prometheus import PROGRAM, own_prometheus
from tests.support.waiting import eventually
from workflows.adapters.prometheus.monitor import PrometheusRules, RulesFolder
from workflows.adapters.prometheus.rules import rules_for
from workflows.errors import RunUndoneError
from workflows.messages.monitoring import MonitoringRequest, RemoveMonitoringRequest

REQUEST = MonitoringRequest(environment="staging", service="shop", key="one", owner="web")
REMOVE = RemoveMonitoringRequest(environment="staging", service="shop")


def rules_files(folder: Path) -> list[str]:
    """As Prometheus finds them."""
    return [path.name for path in folder.glob("*.rules.yml")]


async def test_rules_are_put_in_force_replaced_and_removed_in_every_folder(
    database: Database, tmp_path: Path
) -> None:
    here, there = RulesFolder(database, tmp_path / "a"), RulesFolder(database, tmp_path / "b")
    monitor = PrometheusRules(database, here)
    first = await monitor.set_up(REQUEST)
    assert (await monitor.set_up(REQUEST)) == first
    await there.write()
    for folder in (tmp_path / "a", tmp_path / "b"):
        assert rules_files(folder) == [first.file]
        assert yaml.safe_load((folder / first.file).read_text()) == rules_for(REQUEST)
        assert json.loads((folder / "targets.json").read_text()) == []
    assert (await PrometheusRules(database, there).remove(REMOVE)).removed
    assert not (await monitor.remove(REMOVE)).removed
    assert rules_files(tmp_path / "a") == rules_files(tmp_path / "b") == []


async def test_a_run_takes_back_its_own_rules_only_and_for_good(
    database: Database, tmp_path: Path
) -> None:
    monitor = PrometheusRules(database, RulesFolder(database, tmp_path))
    await monitor.set_up(REQUEST.model_copy(update={"key": "others"}))
    taken_back = REMOVE.model_copy(update={"key": "one"})
    assert not (await monitor.remove(taken_back)).removed
    with pytest.raises(RunUndoneError):
        await monitor.set_up(REQUEST)
    assert (await monitor.remove(REMOVE.model_copy(update={"key": "others"}))).removed


@pytest.mark.slow
@pytest.mark.skipif(PROGRAM is None, reason="the program prometheus is not installed")
async def test_the_rules_fire_when_the_service_dies_and_are_silent_while_it_is_well(
    world: World, database: Database, tmp_path: Path
) -> None:
    rules = tmp_path / "rules"
    rules.mkdir()
    async with own_prometheus(tmp_path, rules) as prometheus:
        folder = RulesFolder(database, rules, prometheus.reload)
        monitor = PrometheusRules(database, folder, down_after=1)
        files = {"shop.py": "def price() -> int:\n    raise ValueError('no price')\n"}
        await world.deploy("r1", files)
        monitoring = await monitor.set_up(REQUEST)

        async def states() -> set[str]:
            alerts = await prometheus.alerts()
            return set(alerts.values()) if set(alerts) == set(monitoring.alerts) else set()

        async def is_measured() -> bool:
            return await prometheus.value("count_over_time(service_up[1m]) > 10") is not None

        async def is_silent() -> bool:
            return await states() == {"inactive"}

        await eventually(is_measured, within=120)
        await eventually(is_silent, within=120)

        for _ in range(3):
            answer = await world.answer()
            assert answer is not None
            assert answer.status_code == 500
        failed = (
            'sum(http_server_request_duration_seconds_count{http_response_status_code="500"})'
        )

        async def are_counted() -> bool:
            return await prometheus.value(failed) == 3

        await eventually(are_counted, within=60)

        async def burns() -> bool:
            return (await prometheus.alerts())["ErrorBudgetBurnFast"] in {"pending", "firing"}

        await eventually(burns, within=180)

        control = await world.control()
        assert control is not None
        os.kill(listener_on(control.port), signal.SIGKILL)

        async def fires() -> bool:
            return (await prometheus.alerts())["ServiceDown"] == "firing"

        await eventually(fires, within=120)
        await world.keeper.look()
        await folder.write()

        async def is_well() -> bool:
            return (await prometheus.alerts())["ServiceDown"] == "inactive"

        await eventually(is_well, within=120)
