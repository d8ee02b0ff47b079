"""Which parameters of a connection string go where, and which are refused by name."""

import pytest

from eventstore.dsn import parse
from eventstore.errors import InvalidDsn


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PGHOST", "PGPORT", "PGSERVICE"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    ("dsn", "addresses"),
    [
        ("postgresql://me:x@one:1,two:2/db", (("one", 1), ("two", 2))),
        ("postgresql://one,two:2/db", (("one", 5432), ("two", 2))),
        ("postgresql://one,two/db?port=7", (("one", 7), ("two", 7))),
        ("postgres://[::1]:5433/db", (("::1", 5433),)),
        ("postgresql://%2Frun%2Fpg/db", (("/run/pg", 5432),)),
        ("postgresql:///db?host=one,two&port=1,2", (("one", 1), ("two", 2))),
        ("postgresql:///db", ()),
        ("postgresql:///db?service=main", ()),
    ],
)
def test_hosts(dsn: str, addresses: tuple[tuple[str, int], ...]) -> None:
    assert parse(dsn).addresses == addresses


def test_the_environment_names_several_hosts_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGHOST", "one,two")
    monkeypatch.setenv("PGPORT", "5433")
    assert parse("postgresql:///db").addresses == (("one", 5433), ("two", 5433))


@pytest.mark.parametrize(
    "parameter",
    [
        "pgbouncer=true",
        "pool_mode=session",
        "keepalives=1",
        "keepalives_idle=30",
        "tcp_user_timeout=1000",
        "gssencmode=disable",
        "channel_binding=prefer",
        "sslsni=1",
        "target_session_attrs=read-write",
        "connect_timeout=5",
        "application_name=mine",
        "prepared_statement_cache_size=0",
        "load_balance_hosts=disable",
        "client_encoding=utf8",
    ],
)
def test_what_is_not_for_the_server_is_not_sent_to_it(parameter: str) -> None:
    dsn = parse(f"postgresql://me:x@one/db?{parameter}&sslmode=disable")
    assert dsn.settings == {}
    assert dsn.text == "postgresql://me:x@/db?sslmode=disable"


def test_what_is_asked_for_is_done() -> None:
    dsn = parse(
        "postgresql://one,two/db?connect_timeout=5&application_name=mine&statement_cache_size=0"
        "&load_balance_hosts=random&options=-c%20work_mem%3D1MB&search_path=mine"
    )
    assert (dsn.connect_timeout, dsn.application_name) == (5, "mine")
    assert (dsn.statement_cache_size, dsn.shuffled) == (0, True)
    assert dsn.settings == {"options": "-c work_mem=1MB", "search_path": "mine"}


@pytest.mark.parametrize(
    ("parameter", "words"),
    [
        ("pool_mode=transaction", "pool_mode=transaction"),
        ("pool_size=5", "unknown parameter 'pool_size'"),
        ("sslmode=maybe", "sslmode=maybe"),
        ("sslnegotiation=none", "sslnegotiation"),
        ("load_balance_hosts=always", "load_balance_hosts"),
        ("sslmod=require", "unknown parameter 'sslmod'"),
        ("statement_timeout=5", "unknown parameter 'statement_timeout'"),
        ("channel_binding=require", "channel_binding=require"),
        ("gssencmode=require", "gssencmode=require"),
        ("require_auth=scram-sha-256", "require_auth"),
        ("requirepeer=postgres", "requirepeer"),
        ("hostaddr=10.0.0.1", "hostaddr"),
        ("replication=database", "replication"),
        ("client_encoding=latin1", "client_encoding"),
        ("target_session_attrs=standby", "target_session_attrs=standby"),
        ("target_session_attrs=read-only", "target_session_attrs=read-only"),
        ("connect_timeout=soon", "connect_timeout"),
        ("sslmode", "name=value"),
    ],
)
def test_what_cannot_be_served_is_refused_by_name(parameter: str, words: str) -> None:
    with pytest.raises(InvalidDsn, match=words):
        parse(f"postgresql://me:s3cret@one/db?{parameter}")


@pytest.mark.parametrize(
    "dsn",
    [
        "host=one dbname=db password=s3cret",
        "mysql://me:s3cret@one/db",
        "postgresql://me:s3/cret@one/db",
        "postgresql://me:s3?cret=1@one/db",
        "postgresql://me:s3#cret@one/db",
        "postgresql://me:x@one:port/db",
        "postgresql://me:x@one:0/db",
        "postgresql://one,two,three/db?port=1,2",
        "postgresql://me:s3cret@[::1/db",
    ],
)
def test_another_form_is_refused_without_the_password(dsn: str) -> None:
    with pytest.raises(InvalidDsn) as refused:
        parse(dsn)
    for part in ("s3", "cret"):
        assert part not in str(refused.value)


def test_what_the_driver_would_misread_is_written_otherwise() -> None:
    assert parse("postgresql://me:a@b@one/db").text == "postgresql://me:a%40b@/db"
    assert parse("postgresql://one/db?ssl=true").text == "postgresql:///db?sslmode=require"
