"""A daemon, a worker and the commands reach NATS, Temporal and Postgres by TLS only, each with a certificate."""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import urlencode

import pytest
from typing_extensions import override

from bridge.devstack.addresses import Addresses
from tests.integration.connections.test_postgres_tls import pooler
from tests.support.certificates import HERE, Authority, Certificate
from tests.support.cli import ntbridge
from tests.support.daemon import LIGHT, Bridge, running
from tests.support.own_nats import nats_of
from tests.support.pgbouncer import MISSING, PROGRAM
from tests.support.tls_proxy import TlsProxy, tls_proxy
from tests.support.waiting import eventually

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(PROGRAM is None, reason=MISSING),
]
PASSWORD = "geheim"


@dataclass(frozen=True, kw_only=True)
class TlsBridge(Bridge):
    """A bridge whose programs get more variables."""

    more: dict[str, str] = field(default_factory=dict)

    @property
    @override
    def environment(self) -> dict[str, str]:
        return {**super().environment, **self.more}


@dataclass
class Scene:
    """The system, and what its client certificate is."""

    bridge: TlsBridge
    temporal: TlsProxy
    authority: Authority
    client: Certificate


@pytest.fixture
async def scene(
    stack: Addresses, migrated_database_url: str, prefix: str, task_queue: str, tmp_path: Path
) -> AsyncIterator[Scene]:
    authority = Authority(tmp_path / "authority")
    server, client = authority.certificate(*HERE), authority.certificate(common_name="first")
    nats = (
        f"tls {{ cert_file: {json.dumps(str(server.cert))}, key_file: {json.dumps(str(server.key))}, "
        f"ca_file: {json.dumps(str(authority.ca))}, verify: true }}\n"
        f"authorization {{ user: bridge, password: {PASSWORD} }}\n"
    )
    (tmp_path / "password").write_text(PASSWORD)
    (tmp_path / "nats").mkdir()
    postgres = {
        "sslmode": "verify-full",
        "sslrootcert": authority.ca,
        "sslcert": client.cert,
        "sslkey": client.key,
    }
    async with (
        nats_of(tmp_path / "nats", nats) as nats_url,
        tls_proxy(stack.temporal_address, authority.server_context(server)) as proxy,
        pooler(migrated_database_url, authority, server) as database,
    ):
        more = {
            "NTBRIDGE_NATS__TLS_CA": str(authority.ca),
            "NTBRIDGE_NATS__TLS_CERT": str(client.cert),
            "NTBRIDGE_NATS__TLS_KEY": str(client.key),
            "NTBRIDGE_NATS__USER": "bridge",
            "NTBRIDGE_NATS__PASSWORD_FILE": str(tmp_path / "password"),
            "TEMPORAL_TLS_SERVER_CA_CERT_PATH": str(authority.ca),
            "TEMPORAL_TLS_CLIENT_CERT_PATH": str(client.cert),
            "TEMPORAL_TLS_CLIENT_KEY_PATH": str(client.key),
        }
        made = TlsBridge(
            addresses=replace(stack, nats_url=nats_url, temporal_address=proxy.address),
            database_url=f"{database}?{urlencode({k: str(v) for k, v in postgres.items()})}",
            prefix=prefix,
            task_queue=task_queue,
            folder=tmp_path,
            closures=True,
            more=more,
        )
        await made.set_up()
        yield Scene(made, proxy, authority, client)


async def test_an_event_goes_all_the_way(scene: Scene) -> None:
    bridge = scene.bridge
    daemon, worker = bridge.daemon(), bridge.light_worker()
    async with running(daemon, worker):
        await published(bridge)
        scene.client.replace(scene.authority.certificate(common_name="second"))
        # The daemon's connection, and the worker's.
        await eventually(lambda: scene.temporal.subjects.count("second") >= 2)
        await published(bridge)
    logs = daemon.output() + worker.output()
    assert "temporal.renewed" in logs
    assert PASSWORD not in logs
    assert "PRIVATE KEY" not in logs


async def published(bridge: Bridge) -> None:
    """Publish an event and wait until its workflow has ended."""
    done = await ntbridge(
        *(
            "events",
            "publish",
            "--type",
            LIGHT,
            "--data",
            '{"number": 1, "steps": 1}',
            "--wait",
        ),
        cwd=bridge.folder,
        env=bridge.environment,
    )
    assert done.code == 0, done.err
