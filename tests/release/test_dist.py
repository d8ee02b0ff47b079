"""What `make dist` builds: complete, described and with the right digests."""

import json
import re
import tarfile
import tomllib
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from tests.support.servers import ROOT

for module in ("build", "cyclonedx", "twine"):
    pytest.importorskip(module, reason="make .venv/dist.stamp")

pytestmark = pytest.mark.slow

PROJECTS = [
    tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    for folder in (ROOT, ROOT / "workflows")
]


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from compose.release.__main__ import build  # noqa: PLC0415 - it needs the tools of `make dist`

    target = tmp_path_factory.mktemp("release") / "dist"
    build(target)
    return target


def read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def test_both_distributions_have_one_version() -> None:
    first, second = (each["version"] for each in PROJECTS)
    assert first == second
    assert (
        f"nats-temporal-bridge-pipelines=={first}"
        in PROJECTS[0]["optional-dependencies"]["pipelines"]
    )
    assert PROJECTS[1]["dependencies"] == [f"nats-temporal-bridge[pipelines]=={first}"]
    assert (ROOT / "workflows/LICENSE").read_text() == (ROOT / "LICENSE").read_text()
    bake = (ROOT / "compose" / "docker-bake.hcl").read_text(encoding="utf-8")
    assert f'default = "{first}"' in bake
    assert '["linux/amd64", "linux/arm64"]' in bake


def test_everything_is_there(dist: Path) -> None:
    stems = [
        f"{each['name'].replace('-', '_')}-{each['version']}{end}"
        for each in PROJECTS
        for end in ("-py3-none-any.whl", ".tar.gz")
    ]
    assert {each.name for each in dist.iterdir()} == {
        *stems,
        *(f"{stem}.cdx.json" for stem in stems),
        *("docker-bake.hcl", "image.cdx.json", "SHA256SUMS", "provenance.intoto.json"),
    }
    (source,) = dist.glob("nats_temporal_bridge-*.tar.gz")
    with tarfile.open(source) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    # The image can be built from it, and the tests can be run.
    assert {"compose/Dockerfile", "compose/docker-bake.hcl", "tests/conftest.py"} <= names
    assert {
        "compose/release/installed/nats_temporal_bridge/distribution.pth",
        "workflows/pyproject.toml",
    } <= names
    assert not [name for name in names if name.startswith("compose/secrets")]


def test_digests_are_those_of_the_files(dist: Path) -> None:
    lines = (dist / "SHA256SUMS").read_text(encoding="utf-8").splitlines()
    summed = {name: digest for digest, name in (line.split("  ") for line in lines)}
    assert set(summed) == {each.name for each in dist.iterdir()} - {
        *("SHA256SUMS", "provenance.intoto.json"),
    }
    for name, digest in summed.items():
        assert sha256((dist / name).read_bytes()).hexdigest() == digest
    statement = read(dist / "provenance.intoto.json")
    assert statement["_type"] == "https://in-toto.io/Statement/v1"
    assert statement["predicateType"] == "https://slsa.dev/provenance/v1"
    assert {each["name"]: each["digest"]["sha256"] for each in statement["subject"]} == summed
    built_from = statement["predicate"]["buildDefinition"]["resolvedDependencies"]
    assert "constraints.txt" in {each.get("name") for each in built_from}


def test_each_bill_of_materials_is_valid_and_names_what_is_installed(dist: Path) -> None:
    from cyclonedx.schema import SchemaVersion  # noqa: PLC0415 - see above
    from cyclonedx.validation.json import JsonStrictValidator  # noqa: PLC0415

    validator = JsonStrictValidator(SchemaVersion.V1_6)
    bills = {each.name: each for each in dist.glob("*.cdx.json")}
    assert len(bills) == 5
    for each in bills.values():
        assert validator.validate_str(each.read_text(encoding="utf-8")) is None
    found = {
        name: {part["name"] for part in read(each)["components"]}
        for name, each in bills.items()
    }
    (wheel,) = (name for name in found if re.match(r"nats_temporal_bridge-.*whl", name))
    (pipelines,) = (name for name in found if re.match(r"nats_temporal_bridge_pip.*whl", name))
    assert {"asyncpg", "nats-py", "temporalio"} <= found[wheel]
    assert found[wheel].isdisjoint({"bandit", "pytest", "redis"})
    assert {"bandit", "asyncpg"} <= found[pipelines]
    assert {"bandit", "redis", "docker.io/library/python"} <= found["image.cdx.json"]


def test_a_bill_is_about_its_file(dist: Path) -> None:
    for artefact in [*dist.glob("*.whl"), *dist.glob("*.tar.gz")]:
        about = read(dist / f"{artefact.name}.cdx.json")["metadata"]["component"]
        assert about["hashes"] == [
            {"alg": "SHA-256", "content": sha256(artefact.read_bytes()).hexdigest()}
        ]
