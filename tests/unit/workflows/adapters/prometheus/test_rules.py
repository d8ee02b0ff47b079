"""Services are watched by rules that Prometheus loads."""

from pathlib import Path
from typing import Any

import promql_parser
import pytest
import yaml

from workflows.adapters.prometheus.monitor import PrometheusRules
from workflows.adapters.prometheus.rules import rules_for
from workflows.adapters.prometheus.validity import check
from workflows.errors import RunUndoneError
from workflows.messages.monitoring import MonitoringRequest, RemoveMonitoringRequest

REQUEST = MonitoringRequest(
    environment="staging", service="shop-api", key="one", owner="web", availability=0.995
)
REMOVE = RemoveMonitoringRequest(environment="staging", service="shop-api")


def rules_files(folder: Path) -> list[str]:
    """As Prometheus finds them."""
    return [path.name for path in folder.glob("*.rules.yml")]


def expressions() -> dict[str, str]:
    groups = rules_for(REQUEST)["groups"]
    return {
        rule.get("record") or rule["alert"]: rule["expr"]
        for group in groups
        for rule in group["rules"]
    }


def test_the_rules_are_valid_and_speak_of_this_service_only() -> None:
    check(rules_for(REQUEST))
    for name, text in expressions().items():
        selectors: list[Any] = []

        def visit(expression: Any, selectors: list[Any] = selectors) -> bool:
            if isinstance(expression, promql_parser.VectorSelector):
                selectors.append(expression)
            return True

        promql_parser.walk(promql_parser.parse(text), visit)
        assert all("shop-api" in str(each) for each in selectors), name


def test_every_alert_looks_at_something_that_is_recorded() -> None:
    found = expressions()
    records = {name for name in found if ":" in name}
    for name, text in found.items():
        if name not in records and name != "ServiceDown":
            assert any(record in text for record in records), name


def test_the_error_budget_is_the_one_that_was_asked_for() -> None:
    assert "> (14.4 * 0.005)" in expressions()["ErrorBudgetBurnFast"]


@pytest.mark.parametrize(
    ("rule", "fault"),
    [
        ({"alert": "A", "expr": "up ==", "for": "5m"}, "expr"),
        ({"alert": "A", "expr": "up == 0", "for": "soon"}, "for"),
        ({"expr": "up"}, "either a record or an alert"),
        ({"alert": "A", "record": "a", "expr": "up"}, "either a record or an alert"),
        ({"record": "a-b", "expr": "up"}, "record"),
        ({"record": "a", "expr": "up", "for": "5m"}, "for alerts"),
        ({"alert": "A", "expr": "up", "labels": {"a-b": "c"}}, "not a valid label name"),
        ({"alert": "A", "expr": "up", "severity": "high"}, "severity"),
        ({"alert": "A", "expr": 'rate(up[5m:]) + on( "x"'}, "expr"),
        ({"alert": "A", "expr": "rate(up)"}, "expr"),
    ],
)
def test_what_prometheus_would_not_load(rule: dict[str, Any], fault: str) -> None:
    with pytest.raises(ValueError, match=fault):
        check({"groups": [{"name": "g", "rules": [rule]}]})


def test_groups_have_names_of_their_own() -> None:
    group = {"name": "g", "rules": []}
    with pytest.raises(ValueError, match="one name"):
        check({"groups": [group, group]})


async def test_rules_are_put_in_force_replaced_and_removed(tmp_path: Path) -> None:
    monitor = PrometheusRules(tmp_path)
    first = await monitor.set_up(REQUEST)
    assert (await monitor.set_up(REQUEST)) == first
    assert rules_files(tmp_path) == [first.file]
    written = yaml.safe_load((tmp_path / first.file).read_text())
    assert written == rules_for(REQUEST)
    assert set(first.alerts) | set(first.records) == set(expressions())
    assert (await monitor.remove(REMOVE)).removed
    assert not (await monitor.remove(REMOVE)).removed
    assert rules_files(tmp_path) == []


async def test_a_run_takes_back_its_own_rules_only_and_for_good(tmp_path: Path) -> None:
    monitor = PrometheusRules(tmp_path)
    await monitor.set_up(REQUEST.model_copy(update={"key": "others"}))
    taken_back = REMOVE.model_copy(update={"key": "one"})
    assert not (await monitor.remove(taken_back)).removed
    with pytest.raises(RunUndoneError):
        await monitor.set_up(REQUEST)
    assert (await monitor.remove(REMOVE.model_copy(update={"key": "others"}))).removed
