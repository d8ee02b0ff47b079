"""What the dashboard and the alerts ask for exists, and is told apart by what they tell it apart by."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import promql_parser
import pytest
import yaml

from bridge import telemetry as of_daemon
from workflows.worker import telemetry as of_workers

FOLDER = Path(__file__).parents[3] / "compose" / "observability"
METRICS = {metric.name: metric for metric in (*of_daemon.METRICS, *of_workers.METRICS)}
SCRAPED = {"instance", "job", "le", "namespace"}
"""Labels that Prometheus adds, that histograms have, and that Temporal gives to all of its."""

_VARIABLE = re.compile(r"\$\{?\w+(:\w+)?\}?")


def expressions() -> Iterator[str]:
    for file in sorted(FOLDER.glob("grafana/dashboards/*.json")):
        yield from _expressions_in(json.loads(file.read_text()))
    for file in sorted(FOLDER.glob("prometheus/*.yaml")):
        yield from _expressions_in(yaml.safe_load(file.read_text()))


def _expressions_in(tree: Any) -> Iterator[str]:
    if isinstance(tree, dict):
        for name, value in tree.items():
            if name == "expr" and isinstance(value, str):
                yield value
            else:
                yield from _expressions_in(value)
    elif isinstance(tree, list):
        for each in tree:
            yield from _expressions_in(each)


EXPRESSIONS = sorted(set(expressions()))


def selectors(expression: str) -> list[tuple[str, set[str]]]:
    """The metrics of an expression, each with the labels that it must have."""
    plain = _VARIABLE.sub("5m", expression)
    promql_parser.parse(plain)
    grouped = {
        label.strip()
        for labels in re.findall(r"\bby\s*\(([^)]*)\)", plain)
        for label in labels.split(",")
        if label.strip()
    }
    found = []
    for name, braces in re.findall(
        r"\b([a-z][a-z0-9]*(?:_[a-z0-9]+)+)\b(?!\s*\()(\{[^}]*\})?", plain
    ):
        matched = set(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", braces))
        found.append((name, matched | grouped))
    return [each for each in found if each[0] not in grouped | {"group_left", "group_right"}]


def test_there_is_a_dashboard() -> None:
    assert len(EXPRESSIONS) > 10


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_what_is_asked_for_exists(expression: str) -> None:
    for name, labels in selectors(expression):
        if name.startswith(("temporal_", "process_")):
            continue
        metric = METRICS.get(re.sub(r"_(bucket|count|sum)$", "", name)) or METRICS.get(name)
        if metric is None and not name.startswith(("ntbridge_", "workflow_", "activity_")):
            continue  # a function, or a label within a matcher
        if name in {"workflow_type", "activity_type"}:
            continue
        assert metric is not None, f"there is no metric {name}"
        unknown = labels - SCRAPED - set(metric.attributes)
        assert not unknown, f"{name} is not told apart by {unknown}"


@pytest.mark.parametrize("metric", METRICS.values(), ids=lambda metric: metric.name)
def test_every_metric_is_looked_at(metric: Any) -> None:
    assert any(metric.name in expression for expression in EXPRESSIONS), metric.name
