"""The proxy and the waiting that other tests rely on."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Self

import pytest

from bridge.devstack.ports import HOST
from tests.support.proxy import Proxy
from tests.support.waiting import eventually, line


@pytest.fixture
async def proxy() -> AsyncIterator[Proxy]:
    """A proxy to a server that says again what it hears."""

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(1000):
                writer.write(data)
                await writer.drain()
        except ConnectionError:
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(echo, HOST, 0)
    async with Proxy(HOST, server.sockets[0].getsockname()[1]) as proxy:
        yield proxy
    server.close()


class Client:
    def __init__(self, proxy: Proxy) -> None:
        self.proxy = proxy

    async def __aenter__(self) -> Self:
        self.reader, self.writer = await asyncio.open_connection(HOST, self.proxy.port)
        return self

    async def __aexit__(self, *_error: object) -> None:
        self.writer.close()

    async def say(self, data: bytes) -> bytes:
        self.writer.write(data)
        return await self.reader.readexactly(len(data))


async def test_bytes_pass(proxy: Proxy) -> None:
    async with Client(proxy) as client:
        assert await client.say(b"hello") == b"hello"
    assert proxy.connections == 1


async def test_a_cut_resets_and_new_connections_are_taken(proxy: Proxy) -> None:
    async with Client(proxy) as client:
        await client.say(b"hello")
        proxy.cut()
        with pytest.raises(OSError, match="reset"):
            await client.say(b"again")
    async with Client(proxy) as client:
        assert await client.say(b"hello") == b"hello"


async def test_refusing_looks_like_a_server_that_is_down(proxy: Proxy) -> None:
    await proxy.refuse()
    with pytest.raises(ConnectionRefusedError):
        await Client(proxy).__aenter__()
    await proxy.accept()
    async with Client(proxy) as client:
        assert await client.say(b"hello") == b"hello"


async def test_stalled_bytes_arrive_after_the_resumption(proxy: Proxy) -> None:
    async with Client(proxy) as client:
        await client.say(b"hello")
        proxy.stall()
        answer = asyncio.create_task(client.say(b"later"))
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.shield(answer), 0.05)
        proxy.resume()
        assert await answer == b"later"


@pytest.mark.parametrize("parts", [[b"abcCOMMITxyz"], [b"abcCOM", b"MITxyz"]])
async def test_a_response_is_cut_before_a_pattern(proxy: Proxy, parts: list[bytes]) -> None:
    wire = proxy.cut_response(at=b"COMMIT")
    async with Client(proxy) as client:
        heard = b""
        client.writer.write(parts[0])
        with pytest.raises(ConnectionResetError):  # noqa: PT012 - any of them may be the one
            for part in [*parts[1:], b""]:
                heard += await client.reader.readexactly(3)
                client.writer.write(part)
            while True:
                heard += await client.reader.readexactly(1)
    assert heard.startswith(b"abc")
    assert b"COMMIT" not in heard
    assert wire.tripped.is_set()
    async with Client(proxy) as client:
        assert await client.say(b"COMMIT") == b"COMMIT", "it cuts once"


async def test_a_response_is_cut_after_some_bytes(proxy: Proxy) -> None:
    wire = proxy.cut_response(after=4)
    async with Client(proxy) as client:
        client.writer.write(b"hello")
        with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):
            await client.reader.readexactly(5)
    assert wire.tripped.is_set()


async def test_a_request_is_cut(proxy: Proxy) -> None:
    wire = proxy.cut_request(at=b"secret")
    async with Client(proxy) as client:
        with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):
            await client.say(b"the secret")
    assert wire.tripped.is_set()


async def test_an_unreachable_server_resets(proxy: Proxy) -> None:
    async with Proxy(HOST, 1) as dead:
        with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):
            async with Client(dead) as client:
                await client.say(b"hello")
    assert proxy.connections == 0


def test_addresses_are_rewritten() -> None:
    proxy = Proxy.to("postgresql://u:p@db.example:5432/name?sslmode=disable")
    assert (
        proxy.through("postgresql://u:p@db.example:5432/name?sslmode=disable")
        == f"postgresql://u:p@127.0.0.1:{proxy.port}/name?sslmode=disable"
    )
    other = Proxy.to("temporal.example:7233")
    assert other.through("temporal.example:7233") == f"127.0.0.1:{other.port}"
    with pytest.raises(ValueError, match="no host and port"):
        Proxy.to("nats://nowhere")


async def test_eventually_gives_what_the_probe_gave() -> None:
    answers = iter([None, 0, "there"])
    assert await eventually(lambda: next(answers)) == "there"


async def test_eventually_takes_coroutines_and_forgives() -> None:
    answers = iter([False, True])

    async def probe() -> bool:
        if not next(answers):
            raise OSError("not yet")
        return True

    assert await eventually(probe, forgive=(OSError,))


async def test_eventually_says_what_it_saw_last() -> None:
    with pytest.raises(AssertionError, match=r"not within 0\.05 s: a miracle; last: 0"):
        await eventually(lambda: 0, within=0.05, what="a miracle")


async def test_a_line_of_a_log(tmp_path: Path) -> None:
    log = tmp_path / "log"
    waiting = asyncio.create_task(line(log, r"ready on \d+"))
    await asyncio.sleep(0)
    log.write_text("starting\nready on 4222\n")
    assert await waiting == "ready on 4222"
