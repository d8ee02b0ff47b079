"""Services are watched by rules that Prometheus loads."""

from typing import Any

import promql_parser
import pytest

from workflows.adapters.prometheus.rules import rules_for
from workflows.adapters.prometheus.validity import check
from workflows.messages.monitoring import MonitoringRequest

REQUEST = MonitoringRequest(
    environment="staging", service="shop-api", key="one", owner="web", availability=0.995
)


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
