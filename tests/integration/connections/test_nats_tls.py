"""NATS with TLS and client certificates: the bridge connects, names what is wrong, and recovers."""

import asyncio
import base64
import json
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import unquote

import pytest
from typing_extensions import override

from bridge.errors import NotConnected
from bridge.jetstream.connection import NatsConnection, connect_once
from bridge.settings.schema import NatsSettings
from tests.support.certificates import HERE, Authority, Certificate
from tests.support.own_nats import nats_of
from tests.support.waiting import eventually

pytestmark = pytest.mark.slow

EXPIRED = timedelta(days=-1)
PASSWORD = "geheim"


@dataclass
class Scene:
    """A server with TLS, and who may connect."""

    url: str
    authority: Authority
    other: Authority
    server: Certificate
    client: Certificate
    password: Path

    def settings(self, **changes: Any) -> NatsSettings:
        return NatsSettings.model_validate(
            {
                "url": self.url,
                "tls_ca": self.authority.ca,
                **files(self.client),
                "user": "bridge",
                "password_file": self.password,
                **changes,
            }
        )

    async def refused(self, **changes: Any) -> str:
        with pytest.raises(NotConnected) as refusal:
            await (await connect_once(self.settings(**changes), "test")).close()
        assert PASSWORD not in str(refusal.value)
        return str(refusal.value)

    async def accepted(self, **changes: Any) -> None:
        client = await connect_once(self.settings(**changes), "test")
        await client.flush()
        await client.close()


def files(client: Certificate) -> dict[str, Any]:
    return {"tls_cert": client.cert, "tls_key": client.key}


@asynccontextmanager
async def scene_of(
    folder: Path, *, first: bool = False, name: str = ""
) -> AsyncIterator[Scene]:
    authority, other = Authority(folder / "mine"), Authority(folder / "other", "other")
    server = authority.certificate(*((name,) if name else HERE))
    paths = [json.dumps(str(each)) for each in (server.cert, server.key, authority.ca)]
    config = (
        f"tls {{ cert_file: {paths[0]}, key_file: {paths[1]}, ca_file: {paths[2]}, verify: true"
        f"{', handshake_first: true, timeout: 1' if first else ''} }}\n"
        f"authorization {{ user: bridge, password: {PASSWORD} }}\n"
    )
    password = folder / "password"
    password.write_text(f"{PASSWORD}\n")
    async with nats_of(folder, config) as url:
        yield Scene(url, authority, other, server, authority.certificate(), password)


async def test_each_fault_is_named(tmp_path: Path) -> None:
    async with scene_of(tmp_path) as scene:
        await scene.accepted()
        await scene.accepted(url=scene.url.replace("nats://", "tls://"))
        junk = tmp_path / "junk"
        junk.write_text("junk")
        for changes, reason in (
            ({"tls_ca": scene.other.ca}, "no authority that this client trusts has signed it"),
            ({"tls_ca": None}, "no authority that this client trusts has signed it"),
            ({"tls_cert": None, "tls_key": None}, "client certificate"),
            (files(scene.authority.certificate(valid=EXPIRED)), "client certificate"),
            (files(scene.other.certificate()), "client certificate"),
            ({"tls_server_name": "other.example"}, "not valid for 'other.example'"),
            ({"tls_key": scene.server.key}, "does not belong to the certificate"),
            ({"tls_ca": junk}, "nats.tls_ca: the file .*junk holds no certificate"),
            ({"tls_cert": tmp_path / "none"}, "nats.tls_cert: the file .*none cannot be read"),
            ({"password_file": junk}, "(?i)authorization"),
            (
                {"password_file": tmp_path / "none"},
                "nats.password_file: the file .*none cannot",
            ),
        ):
            said = await scene.refused(**changes)
            assert re.search(reason, said), (changes, said)


async def test_a_name_of_the_certificate_can_be_given(tmp_path: Path) -> None:
    async with scene_of(tmp_path, name="nats.internal") as scene:
        assert "not valid for '127.0.0.1'" in await scene.refused()
        await scene.accepted(tls_server_name="nats.internal")


async def test_the_handshake_may_come_first(tmp_path: Path) -> None:
    async with scene_of(tmp_path, first=True) as scene:
        await scene.accepted(tls_first=True)
        assert "nats.tls_first" in await scene.refused()


async def test_a_server_without_tls_gets_no_password(tmp_path: Path) -> None:
    async with nats_of(tmp_path, "") as url:
        authority = Authority(tmp_path / "mine")
        settings = NatsSettings(url=url, tls_ca=authority.ca)
        with pytest.raises(NotConnected, match="the server offers no TLS"):
            await connect_once(settings, "test")
        with pytest.raises(NotConnected, match="does not answer in TLS"):
            await connect_once(settings.model_copy(update={"tls_first": True}), "test")


async def test_a_connection_recovers_when_its_certificate_is_renewed(tmp_path: Path) -> None:
    async with scene_of(tmp_path) as scene:
        good = scene.authority.certificate()
        scene.client.replace(scene.authority.certificate(valid=EXPIRED))
        connection = NatsConnection(scene.settings(), "test")
        starting = asyncio.create_task(connection.start())
        await eventually(lambda: "certificate" in (connection.problem or ""))
        scene.client.replace(good)
        await starting
        try:
            assert connection.problem is None
            await (await connection.client(5)).flush()
        finally:
            await connection.stop()


@contextmanager
def ocsp_responder(authority: Authority, revoked: set[int]) -> Iterator[str]:
    """The authority's own responder, as nats-server asks it; yields its URL."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = self.rfile.read(int(self.headers["Content-Length"]))
            self.answer(asked)

        def do_GET(self) -> None:
            self.answer(base64.b64decode(unquote(self.path.lstrip("/"))))

        def answer(self, asked: bytes) -> None:
            body = authority.ocsp_answer(asked, revoked)
            self.send_response(200)
            self.send_header("Content-Type", "application/ocsp-response")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        @override
        def log_message(self, format: str, *args: object) -> None:
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


async def test_a_revoked_client_certificate_is_named(tmp_path: Path) -> None:
    authority, revoked = Authority(tmp_path / "mine"), set[int]()
    with ocsp_responder(authority, revoked) as responder:
        server = authority.certificate(*HERE)
        good, bad = (authority.certificate(responder=responder) for _ in range(2))
        revoked.add(bad.serial)
        paths = [json.dumps(str(each)) for each in (server.cert, server.key, authority.ca)]
        config = (
            f"tls {{ cert_file: {paths[0]}, key_file: {paths[1]}, ca_file: {paths[2]}, verify: true\n"
            "ocsp_peer: { verify: true, ca_timeout: 5 } }\nocsp_cache: false\n"
        )
        async with nats_of(tmp_path, config) as url:
            settings = NatsSettings(url=url, tls_ca=authority.ca)
            client = await connect_once(settings.model_copy(update=files(good)), "test")
            await client.close()
            with pytest.raises(NotConnected, match=r"client certificate.*revoked"):
                await connect_once(settings.model_copy(update=files(bad)), "test")
