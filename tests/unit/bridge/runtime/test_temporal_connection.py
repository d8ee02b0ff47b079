"""An API key for Temporal never leaves in clear, whoever connects: the daemon, its tools, a worker."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest
from pydantic import SecretStr

from bridge.errors import SettingsError
from bridge.operations.calls import CallError
from bridge.runtime.temporal_connection import TemporalConnection
from bridge.settings.schema import TemporalSettings
from bridge.settings.sources import from_environment, load
from bridge.temporal import connect
from workflows.config import WorkerSettings
from workflows.errors import InvalidSettingError
from workflows.worker.worker import PipelineWorker

CLIENT_HELLO = b"\x16\x03"
HTTP2 = b"PRI * HTTP/2.0"
DSN = "postgresql://u@localhost/db"


@asynccontextmanager
async def listener() -> AsyncIterator[tuple[str, asyncio.Future[bytes]]]:
    """A frontend that only listens: its address, and the first bytes that it hears."""
    heard: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    async def hear(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        first = await reader.read(64)
        if not heard.done():
            heard.set_result(first)
        writer.close()

    server = await asyncio.start_server(hear, "127.0.0.1", 0)
    async with server:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}", heard


async def first_bytes_of_the_daemon(**settings: Any) -> bytes:
    async with listener() as (address, heard):
        gateway = await connect(TemporalSettings(address=address, call_timeout=2, **settings))
        with suppress(CallError):
            await gateway.check_namespace()
        return await asyncio.wait_for(heard, 10)


async def first_bytes_of_a_worker(
    api_key: str | None = None, *, tls: bool | None = None
) -> bytes:
    async with listener() as (address, heard):
        settings = WorkerSettings(
            database_url=SecretStr(DSN),
            temporal=TemporalConnection(address=address, api_key=api_key, tls=tls),
        )
        connecting = asyncio.create_task(PipelineWorker(settings)._connect_to_temporal())  # noqa: SLF001
        first = await asyncio.wait_for(heard, 10)
        connecting.cancel()
        await asyncio.gather(connecting, return_exceptions=True)
        return first


@pytest.mark.parametrize("connected", [first_bytes_of_the_daemon, first_bytes_of_a_worker])
async def test_a_key_brings_encryption_with_it(connected: Any) -> None:
    assert (await connected(api_key="key")).startswith(CLIENT_HELLO)
    assert (await connected(tls=True)).startswith(CLIENT_HELLO)
    assert (await connected()).startswith(HTTP2)
    # A proxy on this machine may do the encrypting.
    assert (await connected(api_key="key", tls=False)).startswith(HTTP2)


@pytest.mark.parametrize("address", ["temporal:7233", "10.0.0.1:7233", "[2001:db8::1]:7233"])
def test_a_key_in_clear_to_another_machine_is_refused(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    env = {"TEMPORAL_ADDRESS": address, "TEMPORAL_API_KEY": "geheim", "TEMPORAL_TLS": "false"}
    with pytest.raises(SettingsError, match="sent unencrypted") as refusal:
        load([from_environment(env)])
    assert "geheim" not in str(refusal.value)
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(
        InvalidSettingError, match=r"Temporal: .*sent unencrypted.*leave tls unset"
    ) as refused:
        WorkerSettings.read({"database_url": DSN})
    assert "geheim" not in str(refused.value)


@pytest.mark.parametrize("address", ["localhost:7233", "127.0.0.2:7233", "[::1]:7233"])
def test_on_this_machine_it_may_go_in_clear(address: str) -> None:
    assert TemporalSettings(address=address, api_key="key", tls=False).tls is False
