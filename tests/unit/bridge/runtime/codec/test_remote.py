"""The client of a codec server, against a real server on loopback."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

import pytest
from google.protobuf import json_format
from temporalio.api.common.v1 import Payload, Payloads

from bridge.runtime.codec.remote import RemoteCodec
from bridge.runtime.errors import CodecError

PLAIN = Payload(metadata={"encoding": b"json/plain"}, data=b'{"marked": true}')


def reversed_data(content: bytes) -> bytes:
    payloads = json_format.Parse(content, Payloads())
    for each in payloads.payloads:
        each.data = each.data[::-1]
    return json_format.MessageToJson(payloads).encode()


@dataclass
class Server:
    """Answers with the given statuses in turn, then with 200."""

    statuses: list[int] = field(default_factory=list)
    answer: Callable[[bytes], bytes] = reversed_data
    heads: list[str] = field(default_factory=list)
    silent: bool = False
    url: str = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        length = int(head.lower().partition("content-length:")[2].partition("\r\n")[0])
        body = await reader.readexactly(length)
        self.heads.append(head)
        if self.silent:
            await reader.read()
        else:
            status = self.statuses.pop(0) if self.statuses else 200
            content = self.answer(body) if status == 200 else b"quotes marked"
            writer.write(
                f"HTTP/1.1 {status} X\r\nContent-Length: {len(content)}\r\nConnection: close\r\n\r\n".encode()
            )
            writer.write(content)
            await writer.drain()
        writer.close()


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    made = Server()
    listening = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    made.url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}/codec/"
    yield made
    listening.close()


@pytest.fixture
async def codec(server: Server) -> AsyncIterator[RemoteCodec]:
    made = RemoteCodec(server.url, "t0ken", "orders", 5.0)
    yield made
    await made.close()


async def test_it_encodes_and_decodes_with_token_and_namespace(
    server: Server, codec: RemoteCodec
) -> None:
    encoded = await codec.encode([PLAIN, PLAIN])
    assert [each.data for each in encoded] == [PLAIN.data[::-1]] * 2
    assert await codec.decode(encoded) == [PLAIN, PLAIN]
    assert [head.partition(" HTTP")[0] for head in server.heads] == [
        "POST /codec/encode",
        "POST /codec/decode",
    ]
    for head in server.heads:
        assert "authorization: bearer t0ken" in head.lower()
        assert "x-namespace: orders" in head.lower()


async def test_a_large_payload_passes(codec: RemoteCodec) -> None:
    large = Payload(data=b"ab" * 500_000)
    assert (await codec.decode(await codec.encode([large]))) == [large]


async def test_a_passing_fault_is_tried_again(server: Server, codec: RemoteCodec) -> None:
    server.statuses = [503, 429]
    assert len(await codec.encode([PLAIN])) == 1
    assert len(server.heads) == 3


@pytest.mark.slow
async def test_a_lasting_fault_is_the_environments(server: Server, codec: RemoteCodec) -> None:
    server.statuses = [500] * 3
    with pytest.raises(CodecError, match="it answers 500 to /encode") as raised:
        await codec.encode([PLAIN])
    assert raised.value.unreachable
    assert "marked" not in str(raised.value)


async def test_a_wrong_token_is_tried_once(server: Server, codec: RemoteCodec) -> None:
    server.statuses = [401]
    with pytest.raises(CodecError, match=r"answers 401 .*correct codec\.token") as raised:
        await codec.encode([PLAIN])
    assert not raised.value.unreachable
    assert "t0ken" not in str(raised.value)
    assert len(server.heads) == 1


@pytest.mark.slow
async def test_a_silent_server_is_given_up(server: Server) -> None:
    server.silent = True
    codec = RemoteCodec(server.url, None, "orders", 0.05)
    with pytest.raises(CodecError, match=r"no answer within 0\.05 s") as raised:
        await codec.encode([PLAIN])
    assert raised.value.unreachable
    assert "authorization" not in server.heads[0].lower()
    await codec.close()


async def test_an_absent_server_is_named() -> None:
    codec = RemoteCodec("http://127.0.0.1:1", "t0ken", "orders", 5.0)
    with pytest.raises(CodecError, match=r"the codec server http://127\.0\.0\.1:1: Connect"):
        await codec.decode([PLAIN])
    await codec.close()


@pytest.mark.parametrize(
    ("answer", "words"),
    [(lambda _: b"marked", "not JSON of payloads"), (lambda _: b"{}", "0 payloads for 1")],
)
async def test_an_answer_that_is_none_is_refused(
    server: Server, codec: RemoteCodec, answer: Callable[[bytes], bytes], words: str
) -> None:
    server.answer = answer
    with pytest.raises(CodecError, match=words) as raised:
        await codec.encode([PLAIN])
    assert "marked" not in str(raised.value)
