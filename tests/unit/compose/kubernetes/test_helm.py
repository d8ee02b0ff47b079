"""The chart: linted and rendered by the real Helm, with three files of values."""

import functools
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml

from bridge.settings.sources import from_environment, load
from tests.support.kubernetes import tools
from tests.support.kubernetes.manifests import (
    ROOT,
    Document,
    Workload,
    documents_of,
    of_kind,
    rendered,
    workloads,
)
from workflows.config import WorkerSettings

pytestmark = pytest.mark.slow

kubernetes_validate = pytest.importorskip("kubernetes_validate", reason="make .venv/dev.stamp")

FOLDER = ROOT / "compose" / "helm"
CHART = FOLDER / "ntbridge"
EXAMPLES = sorted((FOLDER / "examples").glob("*.yaml"))
CUSTOM = "monitoring.coreos.com/v1"

by_example = pytest.mark.parametrize("values", EXAMPLES, ids=lambda path: path.stem)


def helm(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    program = tools.helm()
    if program is None:
        pytest.skip(f"Helm {tools.MISSING}")
    return subprocess.run(
        [program, *arguments], check=False, capture_output=True, text=True, timeout=60
    )


@functools.cache
def template(values: Path) -> tuple[Document, ...]:
    done = helm(
        "template", "quantum", CHART, "--namespace", "quantum-services", "--values", values
    )
    assert done.returncode == 0, done.stderr
    return documents_of(done.stdout)


def test_there_are_three_files_of_values() -> None:
    assert [each.stem for each in EXAMPLES] == ["cloud", "platform", "small"]


def test_versions_are_those_of_the_project() -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text(encoding="utf-8"))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert (chart["version"], chart["appVersion"]) == (project["version"], project["version"])


@by_example
def test_the_chart_is_clean(values: Path) -> None:
    done = helm("lint", "--strict", CHART, "--values", values)
    assert done.returncode == 0, done.stdout


@by_example
@pytest.mark.parametrize("version", ["1.33", "1.35", "1.37"])
def test_what_it_makes_is_valid(values: Path, version: str) -> None:
    documents = template(values)
    for each in documents:
        if each["apiVersion"] != CUSTOM:
            kubernetes_validate.validate(each, version, strict=True)
    assert {"Job", "Deployment", "Service", "PodDisruptionBudget"} <= {
        each["kind"] for each in documents
    }


@by_example
def test_its_pods_meet_the_standard_restricted(values: Path) -> None:
    for each in workloads([_in_a_namespace(document) for document in template(values)]):
        pod = each.pod["securityContext"]
        assert pod["runAsNonRoot"] is True
        assert pod["seccompProfile"]["type"] in {"RuntimeDefault", "Localhost"}
        assert each.pod["enableServiceLinks"] is False
        assert each.container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        volumes = {volume["name"] for volume in each.pod["volumes"]}
        assert volumes == {mount["name"] for mount in each.container["volumeMounts"]}


def _in_a_namespace(document: Document) -> Document:
    metadata = {"namespace": "quantum-services", **document["metadata"]}
    return {**document, "metadata": metadata}


@by_example
@pytest.mark.usefixtures("no_settings")
def test_its_programs_read_their_variables(
    values: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    contents = {
        "database-url": "postgresql://u:p@db/d?sslmode=require",
        "nats-url": "tls://u:p@nats",
        "temporal-api-key": "key",
    }
    for each in workloads([_in_a_namespace(document) for document in template(values)]):
        given = {}
        for variable in each.container["env"]:
            value = variable.get("value", "x")
            name = Path(value).name
            if variable["name"].endswith("_FILE") and variable["name"] != "SSL_CERT_FILE":
                (tmp_path / name).write_text(contents[name], encoding="utf-8")
                value = str(tmp_path / name)
            given[variable["name"]] = value
        if each.program == "ntbridge":
            settings = load([from_environment(given)]).settings
            assert settings.temporal.namespace != "default"
            assert (settings.console.tokens is not None) == (each.name == "quantum-console")
            continue
        given["DATABASE_URL"] = contents["database-url"]
        given["REDIS_URL"] = "rediss://redis"
        with monkeypatch.context() as patch:
            for name, value in given.items():
                patch.setenv(name, value)
            WorkerSettings.read({"modules": each.container["args"][2]})


def test_the_platforms_values_make_the_workers_of_the_manifests() -> None:
    made = {
        each.name: (
            each.container["resources"],
            each.spec["replicas"],
            each.pod["securityContext"],
        )
        for each in workloads(
            [
                _in_a_namespace(document)
                for document in template(FOLDER / "examples/platform.yaml")
            ]
        )
        if each.name.startswith("quantum-temporal-workers")
    }
    assert made == {
        each.name: (
            each.container["resources"],
            each.spec["replicas"],
            each.pod["securityContext"],
        )
        for each in workloads(rendered("production"))
        if each.name.startswith("quantum-temporal-workers")
    }


def test_the_platforms_values_make_the_console_and_the_payload_store_of_the_manifests() -> None:
    values = FOLDER / "examples" / "platform.yaml"
    made = {each.name: each for each in map(_workload, template(values)) if each is not None}
    console = made["quantum-console"]
    there = {each.name: each for each in workloads(rendered("dev"))}
    for here, same in (("quantum-console", "ntbridge-console"), ("quantum", "ntbridge")):
        assert _of_payloads(made[here]) == _of_payloads(there[same])
        assert made[here].container["args"] == there[same].container["args"]
    assert console.ports == there["ntbridge-console"].ports
    assert console.spec["replicas"] == 1
    for name in (each for each in made if each.startswith("quantum-temporal-workers")):
        assert _of_payloads(made[name]) == _of_payloads(there[name])
    assert _of_payloads(made["quantum-migrate"]) == {}


def _workload(document: Document) -> Workload | None:
    return next(iter(workloads([_in_a_namespace(document)])), None)


def _of_payloads(each: Workload) -> dict[str, object]:
    """The variables that lead to the store of large payloads; paths of files are each one's own."""
    return {
        variable["name"]: variable.get("value", variable.get("valueFrom"))
        for variable in each.container.get("env", [])
        if "PAYLOADS" in variable["name"] or variable["name"].startswith("AWS_")
    }


def test_without_a_payload_store_nothing_names_one() -> None:
    made = template(FOLDER / "examples" / "small.yaml")
    assert [_of_payloads(each) for each in map(_workload, made) if each is not None] == [{}, {}]
    assert all("console" not in each["metadata"]["name"] for each in made)


@pytest.mark.parametrize(
    ("setting", "reason"),
    [
        ("temporal.host=", "temporal/host"),
        ("daemon.replica=3", "'replica' not allowed"),
        ("settings.FOO=1", "settings"),
        ("workers.w.modules={qother}", "modules"),
        ("workers.w.seccompProfile.type=Unconfined", "seccompProfile"),
        ("image.digest=latest", "digest"),
        ("payloads.store=bucket", "payloads/store"),
        ("console.enable=true", "'enable' not allowed"),
    ],
)
def test_wrong_values_are_refused(setting: str, reason: str) -> None:
    host = "temporal.host=temporal:7233"
    done = helm("template", "x", CHART, "--set", host, "--set", setting)
    assert done.returncode != 0
    assert reason in done.stderr


def test_without_workers_or_migration_there_are_none() -> None:
    host = "temporal.host=temporal:7233"
    done = helm("template", "x", CHART, "--set", host, "--set", "migrate.enabled=false")
    assert [
        each["metadata"]["name"] for each in of_kind(documents_of(done.stdout), "Deployment")
    ] == ["x"]
    assert of_kind(documents_of(done.stdout), "Job") == []
