"""Connections to other machines for which TLS is not required are refused, or shown."""

import os
from pathlib import Path

import pytest

from bridge.cli.common import Connect
from bridge.devstack.environment import foreign_settings
from bridge.errors import SettingsError
from bridge.runtime.encryption import encryption_finding
from bridge.settings.encryption import plain_connections, require_encryption
from bridge.settings.schema import Settings
from eventstore.dsn import plaintext_hosts
from workflows.config import WorkerSettings
from workflows.errors import InvalidSettingError

HERE = {"database": {"url": "postgresql://u@127.0.0.1/d"}, "nats": {"url": "nats://[::1]:4222"}}


@pytest.mark.parametrize(
    ("dsn", "hosts"),
    [
        ("postgresql://u:p@db.example.com/d", ("db.example.com",)),
        ("postgresql://u:p@db.example.com/d?sslmode=prefer", ("db.example.com",)),
        ("postgresql://u:p@db.example.com/d?sslmode=disable", ("db.example.com",)),
        ("postgresql://u:p@a,b:5433,localhost/d", ("a", "b")),
        ("postgresql:///d?host=10.0.0.7", ("10.0.0.7",)),
        ("postgresql://u:p@db.example.com/d?sslmode=require", ()),
        ("postgresql://u:p@db.example.com/d?sslmode=verify-full", ()),
        ("postgresql://u@localhost/d", ()),
        ("postgresql://u@127.0.0.2/d", ()),
        ("postgresql://u@[::1]/d", ()),
        ("postgresql:///d?host=/run/postgresql", ()),
    ],
)
def test_hosts_of_postgres(
    dsn: str, hosts: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PGSSLMODE", raising=False)
    assert plaintext_hosts(dsn) == hosts
    monkeypatch.setenv("PGSSLMODE", "verify-full")
    assert plaintext_hosts(dsn) == (() if "sslmode" not in dsn else hosts)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({}, None),
        ({"nats": {"url": "nats://u:p@nats:4222"}}, "NATS nats"),
        ({"nats": {"url": "tls://u:p@nats:4222"}}, None),
        ({"nats": {"url": "tls://a,nats://b"}}, None),  # the client demands TLS of both
        ({"nats": {"url": "wss://nats"}}, None),
        ({"nats": {"url": "ws://nats"}}, "NATS nats"),
        ({"nats": {"url": "10.0.0.7:4222"}}, "NATS 10.0.0.7"),
        ({"database": {"url": "postgresql://u:p@db/d"}}, "Postgres db"),
        ({"temporal": {"address": "temporal:7233"}}, "Temporal temporal"),
        ({"temporal": {"address": "[fd00::1]:7233"}}, "Temporal fd00::1"),
        ({"temporal": {"address": "temporal:7233", "tls": True}}, None),
        ({"temporal": {"address": "temporal:7233", "api_key": "k"}}, None),
        ({"temporal": {"address": "[::1]:7233"}}, None),
    ],
)
def test_an_unencrypted_connection_is_refused_or_shown(
    changes: dict[str, object], named: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PGSSLMODE", raising=False)
    settings = Settings.model_validate({**HERE, **changes})
    allowed = settings.model_copy(update={"insecure": True})
    plain = plain_connections(settings)
    require_encryption(allowed)
    finding = encryption_finding(plain, insecure=False)
    if named is None:
        assert finding.state == "ok"
        require_encryption(settings)
        return
    assert finding.state == "failed"
    shown = encryption_finding(plain, insecure=True)
    assert shown.state == "warning"
    with pytest.raises(SettingsError) as refusal:
        require_encryption(settings)
    for text in (finding.detail, shown.detail, str(refusal.value)):
        assert named in text
        assert "u:p" not in text
    assert "NTBRIDGE_INSECURE" in str(refusal.value)


@pytest.mark.parametrize(
    "variables",
    [
        {"DATABASE_URL": "postgresql://u@db/d"},
        {"DATABASE_URL": "postgresql://u@localhost/d", "TEMPORAL_ADDRESS": "temporal:7233"},
    ],
)
def test_a_worker_is_refused_too(
    variables: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in foreign_settings(list(os.environ)):
        monkeypatch.delenv(name)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(InvalidSettingError, match=r"is not encrypted.*NTBRIDGE_INSECURE"):
        WorkerSettings.read({})
    assert WorkerSettings.read({"insecure": "true"}).insecure
    monkeypatch.setenv("NTBRIDGE_INSECURE", "true")
    settings = WorkerSettings.read({})
    assert settings.insecure
    assert len(settings.plain_connections) == 1


async def test_a_command_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    for name in foreign_settings(list(os.environ)):
        monkeypatch.delenv(name)
    connect = Connect(nats_url="nats://far:4222")
    with pytest.raises(SettingsError, match="NATS far"):
        connect.settings()
    loaded = Connect(nats_url="nats://far:4222", insecure=True).load()
    assert loaded.settings.insecure
    assert loaded.origins["insecure"] == "the flag --insecure"


def test_each_namespace_of_temporal_is_a_connection_of_its_own() -> None:
    namespaces = {
        "near": {"address": "localhost:7233"},
        "plain": {"address": "far.example:7233"},
        "tls": {"address": "far.example:7233", "tls": True},
    }
    settings = Settings.model_validate({**HERE, "temporal": {"namespaces": namespaces}})
    (plain,) = plain_connections(settings)
    assert str(plain) == "Temporal far.example (set temporal.namespaces.plain.tls: true)"
    with pytest.raises(SettingsError, match=r"namespaces\.plain"):
        require_encryption(settings)
