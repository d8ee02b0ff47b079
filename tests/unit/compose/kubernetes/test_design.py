"""The manifests are those of the platform's design: names, ports, replicas, resources."""

import re
from typing import Any

import pytest
import yaml

from bridge.routes.loading import load_routes
from tests.support.containers import COMPOSE, image_of
from tests.support.kubernetes.manifests import (
    FOLDER,
    OUR_IMAGE,
    ROOT,
    Document,
    Workload,
    of_kind,
    rendered,
    workloads,
)
from workflows.pipelines.catalogue import PIPELINES
from workflows.platform.queues import MODULES

TEMPORAL = {
    "requests": {"cpu": "200m", "memory": "512Mi"},
    "limits": {"cpu": "1", "memory": "2Gi"},
}
WORKERS = {
    "requests": {"cpu": "100m", "memory": "256Mi"},
    "limits": {"cpu": "500m", "memory": "1Gi"},
}
RUNS_GENERATED_CODE = {"qagent", "qtest", "qinfra"}


@pytest.fixture
def production() -> dict[str, Workload]:
    return {each.name: each for each in workloads(rendered("production"))}


def modules(all_of_them: dict[str, Workload]) -> dict[str, Workload]:
    return {
        each.labels["app.kubernetes.io/component"]: each
        for each in all_of_them.values()
        if each.name.startswith("quantum-temporal-workers")
    }


def test_the_namespaces(documents: tuple[Document, ...]) -> None:
    names = {each["metadata"]["name"] for each in of_kind(documents, "Namespace")}
    assert names == {
        *("quantum-system", "quantum-services", "quantum-data", "quantum-sandbox"),
        "quantum-node-setup",
    }
    assert {each["metadata"].get("namespace") for each in documents} - {None} <= names


def test_temporal(production: dict[str, Workload]) -> None:
    server = production["temporal-server"]
    assert (server.namespace, server.spec["replicas"]) == ("quantum-system", 3)
    assert server.container["resources"] == TEMPORAL
    ports = {"frontend": 7233, "history": 7234, "matching": 7235, "worker": 7239}
    assert ports.items() <= server.ports.items()
    (frontend,) = (
        each
        for each in of_kind(rendered("production"), "Service")
        if each["metadata"]["name"] == "temporal-frontend"
    )
    assert [each["port"] for each in frontend["spec"]["ports"]] == [7233, 7234, 7235]


def test_temporals_web_interface(production: dict[str, Workload]) -> None:
    given = {each["name"] for each in production["temporal-ui"].container["env"]}
    assert {"TEMPORAL_ADDRESS", "TEMPORAL_CORS_ORIGINS"} <= given
    assert production["temporal-ui"].ports == {"http": 8080}


def test_the_workers_of_each_module(production: dict[str, Workload]) -> None:
    found = modules(production)
    assert set(found) == set(MODULES)
    assert found["pipelines"].name == "quantum-temporal-workers"
    for module, worker in found.items():
        assert worker.spec["replicas"] == 5
        assert worker.container["resources"] == WORKERS
        assert worker.container["args"] == ["ntbridge-worker", "--modules", module]
        env = {each["name"]: each for each in worker.container["env"]}
        assert env["TASK_QUEUE"]["value"] == module
        assert "TEMPORAL_HOST" in env
        keys = {
            name: each["valueFrom"]["secretKeyRef"]["key"]
            for name, each in env.items()
            if each.get("valueFrom", {}).get("secretKeyRef", {}).get("name")
            == "quantum-secrets"
        }
        assert keys == {
            "POSTGRES_URL": "DATABASE_URL",
            "POSTGRES_USER": "POSTGRES_USER",
            "POSTGRES_PASSWORD": "POSTGRES_PASSWORD",
            "REDIS_URL": "REDIS_URL",
        }


def test_generated_code_has_a_namespace_and_a_profile_of_its_own(
    production: dict[str, Workload],
) -> None:
    for module, worker in modules(production).items():
        profile = worker.pod["securityContext"]["seccompProfile"]
        if module in RUNS_GENERATED_CODE:
            assert worker.namespace == "quantum-sandbox"
            assert profile == {"type": "Localhost", "localhostProfile": "ntbridge/cage.json"}
        else:
            assert worker.namespace == "quantum-services"
            assert profile == {"type": "RuntimeDefault"}
    # Weaker containment is nobody's default.
    assert "best-effort" not in yaml.safe_dump_all(rendered("production"))


def test_the_bridge(production: dict[str, Workload]) -> None:
    assert production["ntbridge"].spec["replicas"] >= 2
    assert production["nats"].spec["replicas"] == 3
    replicated = {each.name for each in production.values() if each.spec.get("replicas", 1) > 1}
    budgets = {
        each["metadata"]["name"]
        for each in of_kind(rendered("production"), "PodDisruptionBudget")
    }
    assert replicated == budgets
    for name in replicated:
        (spread,) = production[name].pod["topologySpreadConstraints"]
        assert spread["labelSelector"]["matchLabels"].items() <= production[name].labels.items()


def test_all_pipelines_are_routed_to_queues_that_are_served() -> None:
    path = FOLDER / "base" / "bridge" / "routes.yaml"
    assert path.read_text() == (ROOT / "bridge/samples/routes.yaml").read_text()
    starts = [
        each["start"] for each in yaml.safe_load(path.read_text())["routes"] if "start" in each
    ]
    assert {each["workflow"] for each in starts} == {each.workflow for each in PIPELINES}
    assert {each["task_queue"] for each in starts} <= set(MODULES)
    assert load_routes(path).routes


def test_images_are_those_of_compose(documents: tuple[Document, ...]) -> None:
    ours = image_of("daemon")
    known: dict[str, Any] = yaml.safe_load(COMPOSE.read_text(encoding="utf-8"))["services"]
    of_compose = {each["image"] for each in known.values()}
    for each in workloads(documents):
        image = each.container["image"]
        assert re.search(r":v?\d+\.\d+[\w.-]*$", image), image
        if image.startswith(OUR_IMAGE):
            assert image == ours
        elif image.partition(":")[0] in {name.partition(":")[0] for name in of_compose}:
            assert image in of_compose


def test_the_documentation_has_the_versions_of_the_manifests() -> None:
    text = (ROOT / "docs" / "kubernetes.md").read_text(encoding="utf-8")
    rows = [line.split("|") for line in text.splitlines() if line.startswith("| `")]
    shown = {
        name.strip(): row[2].strip()
        for row in rows
        if len(row) == 6
        for name in re.findall(r"`([^`]+)`", row[1])
    }
    tags = {
        image["name"].removeprefix("docker.io/").removeprefix("library/"): str(image["newTag"])
        for file in FOLDER.rglob("kustomization.yaml")
        for image in yaml.safe_load(file.read_text(encoding="utf-8")).get("images", ())
        if image["name"] != OUR_IMAGE
    }
    assert shown == tags
