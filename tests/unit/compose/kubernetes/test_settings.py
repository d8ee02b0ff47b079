"""Each program of ours reads every variable that it is given, and connects to what is there and allowed."""

from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from bridge.errors import BridgeError
from bridge.settings.encryption import require_encryption
from bridge.settings.schema import Settings
from bridge.settings.sources import from_environment, load
from eventstore.dsn import parse
from tests.support.kubernetes.manifests import (
    OVERLAYS,
    Document,
    Workload,
    made_secrets,
    placed,
    rendered,
    workloads,
)
from tests.support.kubernetes.network import Connection, Network, named, serving
from workflows.config import WorkerSettings
from workflows.errors import PipelineError

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("no_settings")]

OF_THE_OBJECT_STORE = {
    *("AWS_ENDPOINT_URL", "AWS_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"),
    "SSL_CERT_FILE",
}
"""Read by the library; tests/unit/compose/kubernetes/test_object_store.py shows that."""
MEMBERSHIP = (6933, 6934, 6935, 6939)
"""Ports by which the services of Temporal's server find each other."""


@pytest.fixture
def known(dev: tuple[Document, ...]) -> tuple[Document, ...]:
    return (*dev, *made_secrets())


def daemon(variables: Mapping[str, str]) -> Settings:
    settings = load([from_environment(variables)]).settings
    require_encryption(settings)
    return settings


def worker(variables: Mapping[str, str], patch: pytest.MonkeyPatch) -> WorkerSettings:
    with patch.context() as inner:
        for name, value in variables.items():
            inner.setenv(name, value)
        return WorkerSettings.read({})


def settings_of(
    each: Workload, variables: Mapping[str, str], patch: pytest.MonkeyPatch
) -> Settings | WorkerSettings:
    return worker(variables, patch) if each.program == "ntbridge-worker" else daemon(variables)


def test_every_variable_is_read(
    known: tuple[Document, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for each in workloads(known):
        if not each.is_ours:
            continue
        variables = placed(each, known, tmp_path / each.name)
        with_all = settings_of(each, variables, monkeypatch)
        for name in variables.keys() - OF_THE_OBJECT_STORE:
            rest = {key: value for key, value in variables.items() if key != name}
            try:
                without = settings_of(each, rest, monkeypatch)
            except (BridgeError, PipelineError):
                continue  # it is missed
            assert without != with_all, f"{named(each)} does not read {name}"


def addresses(
    settings: Settings | WorkerSettings, variables: Mapping[str, str]
) -> list[tuple[str, int]]:
    """What a program of ours connects to."""
    found = [_split(settings.temporal.address)]
    if isinstance(settings, WorkerSettings):
        found += parse(settings.database_url.get_secret_value()).addresses
        assert settings.redis_url is not None
        redis = urlsplit(settings.redis_url.get_secret_value())
        found.append((str(redis.hostname), redis.port or 6379))
        return [*found, _of_store(variables)]
    found += parse(settings.database.url).addresses
    if settings.temporal.payloads.store is not None:
        found.append(_of_store(variables))
    for server in settings.nats.servers:
        parts = urlsplit(server)
        found.append((str(parts.hostname), parts.port or 4222))
    return found


def _of_store(variables: Mapping[str, str]) -> tuple[str, int]:
    store = urlsplit(variables["AWS_ENDPOINT_URL"])
    return str(store.hostname), store.port or 443


def _split(address: str) -> tuple[str, int]:
    host, _, port = address.rpartition(":")
    return host, int(port)


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_daemons_console_and_workers_have_one_store_of_large_payloads(
    overlay: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    documents = (*rendered(overlay), *made_secrets())
    stores = set()
    for each in workloads(documents):
        if each.is_ours and each.name != "ntbridge-migrate":
            variables = placed(each, documents, tmp_path / each.name)
            settings = settings_of(each, variables, monkeypatch)
            if isinstance(settings, WorkerSettings):
                payloads = settings.payloads
            else:
                payloads = settings.temporal.payloads
            place = (payloads.store, payloads.threshold)
            assert payloads.store is not None
            stores.add((*place, variables["AWS_ENDPOINT_URL"], variables["AWS_REGION"]))
    assert len(stores) == 1


def of_others(each: Workload) -> list[tuple[str, int]]:
    """What the other programs connect to, by their variables and files."""
    given = {each["name"]: each.get("value", "") for each in each.container.get("env", [])}
    found = []
    if "POSTGRES_SEEDS" in given:
        found.append((given["POSTGRES_SEEDS"], int(given["DB_PORT"])))
    if "TEMPORAL_ADDRESS" in given:
        found.append(_split(given["TEMPORAL_ADDRESS"]))
    return found


def test_the_network_allows_what_programs_connect_to_and_nothing_else(
    known: tuple[Document, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    all_of_them = workloads(known)
    expected: set[Connection] = set()
    for each in all_of_them:
        if each.is_ours:
            variables = placed(each, known, tmp_path / each.name)
            wanted = addresses(settings_of(each, variables, monkeypatch), variables)
        else:
            wanted = of_others(each)
        for host, port in wanted:
            target, of_container = serving(known, all_of_them, host, port)
            expected.add((named(each), named(target), of_container))
    by_name = {each.name: each for each in all_of_them}
    temporal, nats = by_name["temporal-server"], by_name["nats"]
    for port in (*temporal.ports.values(), *MEMBERSHIP):
        if port != temporal.ports["metrics"]:
            expected.add((named(temporal), named(temporal), port))
    expected.add((named(nats), named(nats), nats.ports["cluster"]))
    ports = {port for each in all_of_them for port in each.ports.values()} | {
        *MEMBERSHIP,
        80,
        443,
    }
    network = Network(known)
    assert network.allowed(all_of_them, ports) == expected
    assert all(network.is_isolated(each) for each in all_of_them)


def test_every_program_resolves_names(documents: tuple[Document, ...]) -> None:
    network = Network(documents)
    for each in workloads(documents):
        if each.namespace != "quantum-node-setup":
            rules = network._rules(each, "Egress")  # noqa: SLF001 - rules to other pods than ours
            dns = [
                {(port["port"], port["protocol"]) for port in rule["ports"]}
                for rule in rules
                if rule["to"][0].get("podSelector", {}).get("matchLabels", {}).get("k8s-app")
            ]
            assert dns == [{(53, "UDP"), (53, "TCP")}]


def test_those_outside_are_reached_by_the_programs_that_need_them() -> None:
    documents = rendered("production")
    network = Network(documents)
    postgres, redis = ("192.0.2.0/28", 5432), ("192.0.2.16/28", 6379)
    store = ("192.0.2.32/28", 443)
    for each in workloads(documents):
        wanted = set()
        if each.is_ours or each.name in {"temporal-server", "temporal-schema"}:
            wanted.add(postgres)
        if each.program == "ntbridge-worker":
            wanted.add(redis)
        if each.is_ours and each.name != "ntbridge-migrate":
            wanted.add(store)
        assert network.networks(each) == wanted, named(each)
        for variable in each.container.get("env", []):
            if variable["name"] in {"POSTGRES_SEEDS", "SQL_HOST_NAME", "SQL_TLS_SERVER_NAME"}:
                assert variable["value"] == "postgres.example.com"
