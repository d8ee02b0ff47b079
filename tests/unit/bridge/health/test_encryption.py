"""Connections to other machines for which TLS is not required are reported."""

import pytest

from bridge.health.encryption import encryption
from bridge.settings.schema import Settings
from eventstore.dsn import plaintext_hosts

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
        ({"nats": {"url": "nats://u:p@nats:4222"}}, "NATS nats "),
        ({"nats": {"url": "tls://u:p@nats:4222"}}, None),
        ({"nats": {"url": "tls://a,nats://b"}}, "NATS b "),
        ({"nats": {"url": "10.0.0.7:4222"}}, "NATS 10.0.0.7 "),
        ({"database": {"url": "postgresql://u:p@db/d"}}, "Postgres db "),
    ],
)
def test_doctor_and_readiness_name_them(
    changes: dict[str, object], named: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PGSSLMODE", raising=False)
    finding = encryption(Settings.model_validate({**HERE, **changes}))
    assert finding.state == ("ok" if named is None else "warning")
    assert named is None or named in finding.detail
    assert "u:p" not in finding.detail
