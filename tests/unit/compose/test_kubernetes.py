"""The Kubernetes manifests agree with the image and with the settings."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from bridge.routes.loading import load_routes
from bridge.settings.encryption import require_encryption
from bridge.settings.sources import from_environment, load
from tests.support.containers import COMPOSE, image_of
from workflows.modules import MODULES

FOLDER = COMPOSE.parent / "kubernetes"
DOCUMENTS: list[dict[str, Any]] = list(
    yaml.safe_load_all((FOLDER / "ntbridge.yaml").read_text(encoding="utf-8"))
)
PODS: dict[str, dict[str, Any]] = {
    document["metadata"]["name"]: document["spec"]["template"]["spec"]
    for document in DOCUMENTS
    if document["kind"] in {"Job", "Deployment"}
}
CONTAINERS = {name: pod["containers"][0] for name, pod in PODS.items()}


def served() -> Iterator[str]:
    yield from CONTAINERS["ntbridge-worker"]["args"][-1].split(",")


def test_nothing_runs_with_more_rights_than_it_needs() -> None:
    assert set(PODS) == {"ntbridge", "ntbridge-worker", "ntbridge-migrate"}
    for pod in PODS.values():
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["runAsUser"] == 10001
        assert pod["automountServiceAccountToken"] is False
    for container in CONTAINERS.values():
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }


def test_the_image_is_the_one_that_compose_builds() -> None:
    kustomization = yaml.safe_load((FOLDER / "kustomization.yaml").read_text(encoding="utf-8"))
    [image] = kustomization["images"]
    assert f"{image['name']}:{image['newTag']}" == image_of("daemon")
    assert {container["image"] for container in CONTAINERS.values()} == {image["name"]}


def test_probes_ask_the_port_that_the_image_opens() -> None:
    dockerfile = (COMPOSE.parent / "Dockerfile").read_text(encoding="utf-8")
    [port] = re.findall(r"^EXPOSE (\d+)$", dockerfile, re.MULTILINE)
    for name in ("ntbridge", "ntbridge-worker"):
        container = CONTAINERS[name]
        assert container["ports"] == [{"name": "http", "containerPort": int(port)}]
        assert container["livenessProbe"]["httpGet"] == {"path": "/livez", "port": "http"}
        assert container["readinessProbe"]["httpGet"] == {"path": "/readyz", "port": "http"}


def test_what_is_mounted_is_there() -> None:
    for name, pod in PODS.items():
        volumes = {volume["name"] for volume in pod["volumes"]}
        assert {mount["name"] for mount in CONTAINERS[name]["volumeMounts"]} == volumes


def test_each_program_is_given_its_own_logins_and_no_others() -> None:
    mounted = {
        name: {
            volume["secret"]["secretName"] for volume in pod["volumes"] if "secret" in volume
        }
        for name, pod in PODS.items()
    }
    assert mounted == {
        "ntbridge": {"ntbridge-daemon"},
        "ntbridge-worker": {"ntbridge-worker"},
        "ntbridge-migrate": {"ntbridge-migrator"},
    }
    made = (FOLDER / "kustomization.yaml").read_text(encoding="utf-8")
    keys = {
        name: set(re.findall(r"--from-file=([a-z-]+)=", line))
        for name, line in re.findall(r"create secret generic (\S+) (.*)", made)
    }
    # What a program reads below its mount is what its secret holds.
    shared = next(each["data"] for each in DOCUMENTS if each["kind"] == "ConfigMap")
    for name, container in CONTAINERS.items():
        (secret,) = mounted[name]
        given = {**shared, **{each["name"]: each["value"] for each in container.get("env", [])}}
        read = {
            Path(value).name
            for value in given.values()
            if value.startswith("/run/secrets/ntbridge/")
        }
        assert read == keys[secret], name


def test_the_settings_exist(tmp_path: Path) -> None:
    [config] = [document for document in DOCUMENTS if document["kind"] == "ConfigMap"]
    given = dict(config["data"])
    for name, variable, content in (
        ("dsn", "DATABASE_URL_FILE", "postgresql://u:p@h/d"),
        ("nats", "NATS_URL_FILE", "nats://u:p@h"),
    ):
        (tmp_path / name).write_text(content, encoding="utf-8")
        given[variable] = str(tmp_path / name)
    settings = load([from_environment(given)]).settings
    require_encryption(settings)
    assert settings.temporal.namespace == "ntbridge"


def test_the_sample_routes_are_routes() -> None:
    assert load_routes(FOLDER / "routes.yaml").routes


@pytest.mark.parametrize("module", list(served()))
def test_workers_serve_modules_that_exist(module: str) -> None:
    assert module in MODULES
