"""The codec server, over HTTP as a browser and the command line call it."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from google.protobuf import json_format
from temporalio.api.common.v1 import Payload, Payloads

from bridge.runtime.codec.encryption import EncryptionCodec
from bridge.runtime.codec.endpoint import MAX_BODY_BYTES, CodecEndpoint
from bridge.runtime.codec.keys import FixedKeys
from bridge.runtime.codec.remote import RemoteCodec
from bridge.runtime.http import HttpServer
from tests.unit.bridge.runtime.codec.builders import K1, K2, keys_of

UI = "https://temporal.example"
TOKEN = "a-token-of-the-tests"
PLAIN = Payload(metadata={"encoding": b"json/plain"}, data=b'{"marked": true}')


@dataclass
class Served:
    url: str
    codec: EncryptionCodec
    http: httpx.AsyncClient

    async def post(self, path: str, payloads: list[Payload], **headers: str) -> httpx.Response:
        body = json_format.MessageToJson(Payloads(payloads=payloads))
        return await self.http.post(self.url + path, content=body, headers=headers)

    async def encoded(self, payload: Payload = PLAIN) -> list[Payload]:
        return await self.codec.encode([payload])


Serve = Callable[..., Any]


@pytest.fixture
def serve() -> Serve:
    @asynccontextmanager
    async def serving(**more: Any) -> AsyncIterator[Served]:
        codec = EncryptionCodec(FixedKeys(keys_of({"k1": K1}, "k1")))
        endpoint = CodecEndpoint(codec, origins=[UI], **more)
        server = HttpServer(
            {},
            host="127.0.0.1",
            port=0,
            handler=endpoint.answer,
            max_body_bytes=MAX_BODY_BYTES,
        )
        await server.start()
        async with httpx.AsyncClient() as http:
            yield Served(server.url, codec, http)
        await server.stop()

    return serving


def data(answer: httpx.Response) -> list[bytes]:
    assert answer.status_code == 200, answer.text
    return [each.data for each in json_format.Parse(answer.text, Payloads()).payloads]


async def test_payloads_are_decoded_for_a_page_of_the_named_origin(serve: Serve) -> None:
    async with serve() as served:
        answer = await served.post("/decode", [*await served.encoded(), PLAIN], Origin=UI)
    assert data(answer) == [PLAIN.data, PLAIN.data]
    assert answer.headers["access-control-allow-origin"] == UI
    assert answer.headers["vary"] == "Origin"
    assert answer.headers["cache-control"] == "no-store"


async def test_a_page_of_another_origin_gets_nothing(serve: Serve) -> None:
    async with serve() as served:
        answer = await served.post("/decode", await served.encoded(), Origin="https://evil")
        asked = await served.http.options(
            served.url + "/decode", headers={"Origin": "https://evil"}
        )
    for each in (answer, asked):
        assert each.status_code == 403
        assert "access-control-allow-origin" not in each.headers
        assert "marked" not in each.text


async def test_a_browser_may_ask_before_it_calls(serve: Serve) -> None:
    async with serve(token=TOKEN) as served:
        answer = await served.http.options(
            served.url + "/decode",
            headers={
                "Origin": UI,
                "Access-Control-Request-Method": "POST",
                "Access-Control-Request-Headers": "authorization,content-type,x-namespace",
                "Access-Control-Request-Private-Network": "true",
            },
        )
    assert answer.status_code == 204
    assert answer.headers["access-control-allow-origin"] == UI
    allowed = answer.headers["access-control-allow-headers"].lower().split(", ")
    assert {"authorization", "content-type", "x-namespace"} <= set(allowed)
    assert answer.headers["access-control-allow-private-network"] == "true"


@pytest.mark.parametrize(
    ("path", "authorization", "status"),
    [
        ("/decode", f"Bearer {TOKEN}", 200),
        (f"/{TOKEN}/decode", None, 200),
        ("/decode", None, 401),
        ("/decode", "Bearer wrong", 401),
        ("/decode", f"Basic {TOKEN}", 401),
        ("/wrong/decode", None, 401),
        (f"/{TOKEN}", None, 404),
        ("/", None, 401),
    ],
)
async def test_with_a_token_every_request_needs_it(
    serve: Serve, path: str, authorization: str | None, status: int
) -> None:
    headers = {} if authorization is None else {"Authorization": authorization}
    async with serve(token=TOKEN) as served:
        answer = await served.post(path, await served.encoded(), **headers)
    assert answer.status_code == status
    assert TOKEN not in answer.text


async def test_it_encodes_only_if_it_may(serve: Serve) -> None:
    async with serve() as served:
        refused = await served.post("/encode", [PLAIN])
    async with serve(may_encode=True) as served:
        (encoded,) = data(await served.post("/encode", [PLAIN]))
    assert refused.status_code == 403
    assert b"marked" not in encoded


async def test_our_own_client_understands_it(serve: Serve) -> None:
    large = Payload(data=b"x" * 1_000_000)
    async with serve(may_encode=True, token=TOKEN) as served:
        remote = RemoteCodec(served.url, TOKEN, "default", 5.0)
        encoded = await remote.encode([PLAIN, large])
        assert await served.codec.decode(encoded) == [PLAIN, large]
        assert await remote.decode(encoded) == [PLAIN, large]
        await remote.close()


async def test_an_unknown_key_is_named(serve: Serve) -> None:
    foreign = EncryptionCodec(FixedKeys(keys_of({"k2": K2}, "k2")))
    async with serve() as served:
        answer = await served.post("/decode", await foreign.encode([PLAIN]))
    assert answer.status_code == 422
    assert "'k2', which is not known here" in answer.text


@pytest.mark.parametrize("body", [b"", b"nonsense", b'{"payloads": [{"data": 7}]}'])
async def test_a_body_that_is_none_is_refused(serve: Serve, body: bytes) -> None:
    async with serve() as served:
        answer = await served.http.post(served.url + "/decode", content=body)
    assert answer.status_code == 400


async def test_other_methods_and_paths_are_refused(serve: Serve) -> None:
    async with serve() as served:
        assert (await served.http.get(served.url + "/decode")).status_code == 405
        assert (await served.post("/other", [PLAIN])).status_code == 404


async def test_another_host_name_is_refused(serve: Serve) -> None:
    async with serve() as served:
        answer = await served.post("/decode", await served.encoded(), Host="evil.example")
    assert answer.status_code == 421


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (f"Content-Length: {MAX_BODY_BYTES + 1}", 413),
        (f"Content-Length: {'9' * 5000}", 413),
        ("Content-Length: -1", 411),
        ("Transfer-Encoding: chunked", 411),
    ],
)
async def test_a_body_is_bounded_before_it_is_read(
    serve: Serve, head: str, status: int
) -> None:
    async with serve() as served:
        port = int(served.url.rpartition(":")[2])
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(f"POST /decode HTTP/1.1\r\nHost: localhost\r\n{head}\r\n\r\n".encode())
        line = await reader.readline()
        writer.close()
    assert line.split()[1] == str(status).encode()


async def test_a_client_that_waits_for_leave_is_answered(serve: Serve) -> None:
    """As curl does before a large body."""
    async with serve() as served:
        answer = await served.post("/decode", await served.encoded(), Expect="100-continue")
    assert data(answer) == [PLAIN.data]
