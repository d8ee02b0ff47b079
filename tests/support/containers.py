"""The servers that a test session shares, as containers of the images that compose.yaml names."""

import asyncio
import functools
import json
import secrets
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import asyncpg
import nats
import nats.errors
import pytest
import yaml

from bridge.devstack.addresses import Addresses
from bridge.devstack.temporal_server import FLAGS, NAMESPACE, SEARCH_ATTRIBUTES
from tests.support.waiting import eventually

COMPOSE = Path(__file__).parents[2] / "compose" / "compose.yaml"

_READY_WITHIN = 60.0
_USER = "ntbridge"

# As the embedded one has it (bridge/devstack/nats_server.py), on all interfaces.
_NATS = """\
port: 4222
max_payload: 8MB
jetstream { store_dir: /data, sync_interval: always }
"""


@functools.cache
def image_of(service: str) -> str:
    """The image of a service of compose.yaml."""
    services: dict[str, Any] = yaml.safe_load(COMPOSE.read_text(encoding="utf-8"))["services"]
    return str(services[service]["image"])


@contextmanager
def containers() -> Iterator[Addresses]:
    """Run the servers in containers, removed with all they hold at the end."""
    # Imported here, because it takes a second and asks the machine for its Docker.
    from docker.errors import DockerException  # type: ignore[import-untyped]  # noqa: PLC0415
    from testcontainers.core.container import DockerContainer  # noqa: PLC0415

    with ExitStack() as running:

        def run(container: DockerContainer, *ports: int) -> list[str]:
            """Start it; return host and port of each of these ports."""
            running.enter_context(container.with_exposed_ports(*ports))
            host = container.get_container_host_ip()
            return [f"{host}:{container.get_exposed_port(port)}" for port in ports]

        password = secrets.token_hex(16)
        try:
            [nats_at] = run(
                DockerContainer(image_of("nats"))
                .with_command(["--config", "/etc/nats/test.conf"])
                .with_copy_into_container(_NATS.encode(), "/etc/nats/test.conf"),
                4222,
            )
            [postgres_at] = run(
                DockerContainer(image_of("postgres"))
                .with_envs(
                    POSTGRES_USER=_USER,
                    POSTGRES_PASSWORD=password,
                    POSTGRES_INITDB_ARGS="--encoding=UTF8 --locale=C",
                )
                # A whole suite and its daemons; the store's fence must respect prepared transactions.
                .with_command("postgres -c max_connections=200 -c max_prepared_transactions=16")
                .with_kwargs(shm_size="256m"),
                5432,
            )
            temporal_at, temporal_http_at, temporal_ui_at = run(
                DockerContainer(image_of("temporal-dev")).with_command(
                    [
                        *("server", "start-dev", "--ip=0.0.0.0"),
                        *("--http-port=7243", "--ui-port=8233"),
                        *FLAGS,
                    ]
                ),
                *(7233, 7243, 8233),
            )
        except DockerException as error:
            raise pytest.UsageError(
                f"--stack=containers needs Docker or Podman, by its API socket (DOCKER_HOST): {error}"
            ) from error
        addresses = Addresses(
            nats_url=f"nats://{nats_at}",
            temporal_address=temporal_at,
            temporal_ui_url=f"http://{temporal_ui_at}",
            # Names the SSL mode, so that no PGSSLMODE decides it.
            database_url=f"postgresql://{_USER}:{password}@{postgres_at}/{_USER}?sslmode=disable",
        )
        asyncio.run(_all_answer(addresses, f"http://{temporal_http_at}"))
        yield addresses


async def _all_answer(addresses: Addresses, temporal_http: str) -> None:
    async def nats_answers() -> bool:
        client = await nats.connect(
            addresses.nats_url,
            connect_timeout=2,
            allow_reconnect=False,
            max_reconnect_attempts=0,
        )
        await client.jetstream().account_info()
        await client.close()
        return True

    async def postgres_answers() -> bool:
        connection = await asyncpg.connect(addresses.database_url, timeout=2)
        await connection.close()
        return True

    def temporal_answers() -> bool:
        url = f"{temporal_http}/cluster/namespaces/{NAMESPACE}/search-attributes"
        with urllib.request.urlopen(url, timeout=2) as answer:
            known = json.load(answer).get("customAttributes", {})
        return set(SEARCH_ATTRIBUTES) <= set(known)

    not_yet = (OSError, asyncpg.PostgresError, nats.errors.Error, TimeoutError)
    for name, probe in (
        ("NATS", nats_answers),
        ("Postgres", postgres_answers),
        ("Temporal", temporal_answers),
    ):
        await eventually(
            probe,
            within=_READY_WITHIN,
            what=f"{name} in its container answers",
            forgive=not_yet,
        )
