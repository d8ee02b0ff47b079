"""Postgres with TLS and client certificates, by PgBouncer: the Postgres of the tests has no TLS."""

import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlencode

import pytest

from eventstore.database import Database
from eventstore.dsn import plaintext_hosts
from eventstore.errors import EventStoreError
from tests.support.certificates import HERE, Authority, Certificate
from tests.support.pgbouncer import MISSING, PROGRAM, pgbouncer

pytestmark = pytest.mark.skipif(PROGRAM is None, reason=MISSING)


@asynccontextmanager
async def pooler(url: str, authority: Authority, server: Certificate) -> AsyncIterator[str]:
    """PgBouncer that demands TLS and a client certificate; its DSN."""
    folder = readable(crt=server.cert, key=server.key, ca=authority.ca)
    more = (
        "client_tls_sslmode = verify-ca\n"
        f"client_tls_cert_file = {folder}/crt\nclient_tls_key_file = {folder}/key\n"
        f"client_tls_ca_file = {folder}/ca\n"
    )
    try:
        async with pgbouncer(url, mode="session", more=more, tls=True) as dsn:
            yield dsn.partition("?")[0]
    finally:
        shutil.rmtree(folder)


def readable(**files: Path) -> Path:
    """A folder with copies that the user of PgBouncer may read."""
    folder = Path(tempfile.mkdtemp(prefix="pgbouncer-tls-"))
    folder.chmod(0o755)
    for name, file in files.items():
        shutil.copyfile(file, folder / name)
        (folder / name).chmod(0o644)
    return folder


async def reach(dsn: str, **given: object) -> str:
    """Connect and ask; return what is refused, empty if nothing is."""
    full = f"{dsn}?{urlencode({name: str(value) for name, value in given.items()})}"
    try:
        database = await Database.connect(full, size=1, deadline=5)
    except EventStoreError as error:
        return str(error)
    try:
        assert await database.fetchval("select 1") == 1
    finally:
        await database.close()
    return ""


async def test_certificates_are_demanded_and_checked(database_url: str, tmp_path: Path) -> None:
    authority, other = Authority(tmp_path / "mine"), Authority(tmp_path / "other", "other")
    client, server = authority.certificate(common_name="daemon"), authority.certificate(*HERE)
    good = {
        "sslmode": "verify-full",
        "sslrootcert": authority.ca,
        "sslcert": client.cert,
        "sslkey": client.key,
    }
    async with pooler(database_url, authority, server) as dsn:
        assert await reach(dsn, **good) == ""
        assert plaintext_hosts(f"{dsn.replace('127.0.0.1', 'db')}?sslmode=verify-full") == ()
        for changes, reason in (
            ({"sslrootcert": other.ca}, "certificate verify failed"),
            ({"sslcrl": authority.revocations(server)}, "certificate revoked"),
            ({"sslkey": server.key}, "key values mismatch"),
            ({"sslrootcert": tmp_path / "none"}, "sslrootcert of the database"),
        ):
            said = await reach(dsn, **{**good, **changes})
            assert reason in said
        without = {name: good[name] for name in ("sslmode", "sslrootcert")}
        assert await reach(dsn, **without) != ""
        # Read for each connection: a renewed one needs no restart.
        client.replace(other.certificate(common_name="daemon"))
        assert await reach(dsn, **good) != ""
        client.replace(authority.certificate(common_name="daemon"))
        assert await reach(dsn, **good) == ""


@pytest.mark.parametrize(
    ("names", "valid", "reason"),
    [
        (("db.example",), timedelta(days=1), "certificate is not valid for '127.0.0.1'"),
        (HERE, timedelta(days=-1), "certificate has expired"),
    ],
)
async def test_a_server_with_a_wrong_certificate_is_refused(
    database_url: str, tmp_path: Path, names: tuple[str, ...], valid: timedelta, reason: str
) -> None:
    authority = Authority(tmp_path / "mine")
    client = authority.certificate()
    given = {"sslrootcert": authority.ca, "sslcert": client.cert, "sslkey": client.key}
    server = authority.certificate(*names, valid=valid)
    async with pooler(database_url, authority, server) as dsn:
        assert reason in await reach(dsn, sslmode="verify-full", **given)
