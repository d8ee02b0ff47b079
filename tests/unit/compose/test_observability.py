"""Dashboard and alerts ask for metrics that exist, by attributes that they have."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from bridge.telemetry import METRICS as DAEMON
from tests.support.containers import COMPOSE
from workflows.worker.telemetry import METRICS as WORKER

FOLDER = COMPOSE.parent / "observability"
DASHBOARD: dict[str, Any] = json.loads(
    (FOLDER / "grafana" / "dashboards" / "ntbridge.json").read_text(encoding="utf-8")
)
ALERTS: dict[str, Any] = yaml.safe_load(
    (FOLDER / "prometheus" / "alerts.yaml").read_text(encoding="utf-8")
)
TABLE = {metric.name: metric for metric in (*DAEMON, *WORKER)}

_OF_PROMETHEUS = {"instance", "job", "le"}
_GROUPING = re.compile(r"\bby \(([^)]*)\)")
_SELECTION = re.compile(r"\{([^}]*)\}")
_NAME = re.compile(r"\b([a-zA-Z_:][\w:]*)\b(?!\s*\()")
_OTHER = re.compile(r"\[[^\]]*\]|\"[^\"]*\"|\b(?:and|or|unless|on|bool)\b")


def expressions() -> Iterator[tuple[str, str]]:
    for panel in DASHBOARD["panels"]:
        for target in panel.get("targets", []):
            yield panel["title"], target["expr"]
    for group in ALERTS["groups"]:
        for rule in group["rules"]:
            yield rule["alert"], rule["expr"]


def parts_of(expression: str) -> tuple[set[str], set[str]]:
    """The metrics and the attributes that an expression names."""
    attributes = {
        name.strip() for list_ in _GROUPING.findall(expression) for name in list_.split(",")
    }
    for selection in _SELECTION.findall(expression):
        attributes |= set(re.findall(r"(\w+)\s*(?:=|!=|=~|!~)", selection))
    rest = _OTHER.sub(" ", _SELECTION.sub(" ", _GROUPING.sub(" ", expression)))
    return set(_NAME.findall(rest)), attributes


def in_table(name: str) -> str:
    """The row of the table that a name comes from; Prometheus shows three for a histogram."""
    plain = re.sub(r"_(bucket|sum|count)$", "", name)
    if plain in TABLE and TABLE[plain].kind == "histogram":
        return plain if plain != name else ""
    return name


@pytest.mark.parametrize(("where", "expression"), list(expressions()))
def test_every_name_in_use_exists(where: str, expression: str) -> None:
    metrics, attributes = parts_of(expression)
    assert metrics, where
    known = set(_OF_PROMETHEUS)
    for name in metrics:
        assert in_table(name) in TABLE, f"{where}: there is no metric {name}"
        known |= set(TABLE[in_table(name)].attributes)
    assert attributes <= known, where


def test_every_metric_is_on_the_dashboard() -> None:
    shown = {
        in_table(name)
        for panel in DASHBOARD["panels"]
        for target in panel.get("targets", [])
        for name in parts_of(target["expr"])[0]
    }
    assert set(TABLE) - shown == set()


def test_an_expression_is_taken_apart_rightly() -> None:
    assert parts_of('sum by (le, route) (rate(a_bucket{kind!~"x|y", b="c"}[5m])) > 0') == (
        {"a_bucket"},
        {"le", "route", "kind", "b"},
    )
    assert parts_of("max(a) > sum by (x) (increase(b_total[1h]))") == ({"a", "b_total"}, {"x"})


def test_panels_have_places_and_names_of_their_own() -> None:
    panels = DASHBOARD["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    places = {(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in panels}
    assert len(places) == len(panels)


def test_every_alert_says_what_it_means() -> None:
    rules = [rule for group in ALERTS["groups"] for rule in group["rules"]]
    assert len({rule["alert"] for rule in rules}) == len(rules)
    for rule in rules:
        assert rule["annotations"]["summary"]
        assert rule["labels"]["severity"] in {"warning", "critical"}


def test_the_data_sources_that_panels_ask_are_provided() -> None:
    path = FOLDER / "grafana" / "provisioning" / "datasources" / "ntbridge.yaml"
    sources = yaml.safe_load(path.read_text(encoding="utf-8"))["datasources"]
    asked = {
        panel["datasource"]["uid"] for panel in DASHBOARD["panels"] if "datasource" in panel
    }
    assert asked <= {source["uid"] for source in sources}


def test_prometheus_scrapes_every_worker_of_the_stack() -> None:
    compose = yaml.safe_load(COMPOSE.read_text(encoding="utf-8"))["services"]
    config = yaml.safe_load(
        (FOLDER / "prometheus" / "prometheus.yaml").read_text(encoding="utf-8")
    )
    scraped = {
        name
        for job in config["scrape_configs"]
        for discovery in job.get("dns_sd_configs", [])
        for name in discovery["names"]
    }
    assert scraped == {
        name for name in compose if name == "daemon" or name.startswith("worker-")
    }
