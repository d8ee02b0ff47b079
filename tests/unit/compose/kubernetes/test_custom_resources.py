"""Monitors and alerts are what the Prometheus Operator takes, and the alerts are those of compose."""

import copy
import json
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.support.containers import COMPOSE
from tests.support.kubernetes import tools
from tests.support.kubernetes.manifests import Document, of_kind, rendered, workloads
from tests.support.kubernetes.network import selects

CHECK = """
import { readFileSync } from "node:fs";
import * as models from "@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1";
for (const each of JSON.parse(readFileSync(0, "utf8"))) { new models[each.kind](each).validate(); }
"""


@pytest.fixture
def custom() -> list[Document]:
    return of_kind(rendered("production"), "ServiceMonitor", "PrometheusRule")


def check(folder: Path, documents: list[Document]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["node", "--input-type=module", "-e", CHECK],
        cwd=folder,
        input=json.dumps(documents),
        check=False,
        capture_output=True,
        text=True,
        timeout=120,
    )


@pytest.mark.slow
def test_they_are_valid(custom: list[Document]) -> None:
    folder = tools.schemas()
    if folder is None:
        pytest.skip(f"the package with their schemas {tools.MISSING}")
    assert check(folder, custom).returncode == 0
    wrong = copy.deepcopy(of_kind(custom, "ServiceMonitor"))
    wrong[0]["spec"]["endpoints"] = "http"
    assert "endpoints must be array" in check(folder, wrong).stderr


def test_the_alerts_are_those_of_compose(custom: list[Document]) -> None:
    (rule,) = of_kind(custom, "PrometheusRule")
    alerts = COMPOSE.parent / "observability" / "prometheus" / "alerts.yaml"
    assert rule["spec"] == yaml.safe_load(alerts.read_text(encoding="utf-8"))


def test_each_monitor_finds_services_of_pods(custom: list[Document]) -> None:
    documents = rendered("production")
    for monitor in of_kind(custom, "ServiceMonitor"):
        own = [monitor["metadata"]["namespace"]]
        namespaces = monitor["spec"].get("namespaceSelector", {}).get("matchNames", own)
        (endpoint,) = monitor["spec"]["endpoints"]
        for namespace in namespaces:
            (service,) = (
                each
                for each in of_kind(documents, "Service")
                if each["metadata"]["namespace"] == namespace
                and selects(monitor["spec"]["selector"], each["metadata"]["labels"])
            )
            assert endpoint["port"] in {each["name"] for each in service["spec"]["ports"]}
            selector = {"matchLabels": service["spec"]["selector"]}
            assert any(
                each.namespace == namespace and selects(selector, each.labels)
                for each in workloads(documents)
            )
