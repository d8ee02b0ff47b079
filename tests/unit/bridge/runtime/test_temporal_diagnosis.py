"""What is wrong with the TLS of a connection to Temporal is named, with the setting that mends it."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from bridge.runtime.temporal_connection import TemporalConnection
from bridge.runtime.temporal_diagnosis import TlsDiagnosis, tls_problem
from tests.support.certificates import HERE, Authority, Certificate
from tests.support.tls_proxy import TlsProxy, tls_proxy

EXPIRED = timedelta(days=-1)


@dataclass
class Scene:
    """A server behind TLS, and who may connect."""

    proxy: TlsProxy
    plain: str
    mine: Authority
    other: Authority
    junk: Path

    def settings(self, **changes: Any) -> dict[str, Any]:
        client = self.mine.certificate(common_name="daemon")
        return {
            "address": self.proxy.address,
            "tls_server_ca_cert_path": self.mine.ca,
            **paths(client),
            **changes,
        }

    async def problem(self, **settings: Any) -> str | None:
        return await tls_problem(TemporalConnection(**settings))


def paths(client: Certificate) -> dict[str, Any]:
    return {"tls_client_cert_path": client.cert, "tls_client_key_path": client.key}


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(b"answer")
        writer.close()

    mine, other = Authority(tmp_path / "mine"), Authority(tmp_path / "other", "other")
    junk = tmp_path / "junk"
    junk.write_text("junk")
    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    plain = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with (
        server,
        tls_proxy(plain, mine.server_context(mine.certificate(*HERE))) as proxy,
    ):
        yield Scene(proxy, plain, mine, other, junk)


async def test_nothing_is_found_where_nothing_is_wrong(scene: Scene) -> None:
    assert await scene.problem(**scene.settings()) is None
    client = scene.mine.certificate()
    data = {
        "tls_server_ca_cert_data": scene.mine.ca.read_text(),
        "tls_client_cert_data": client.cert.read_text(),
        "tls_client_key_data": client.key.read_text(),
    }
    assert await scene.problem(address=scene.proxy.address, **data) is None
    assert await scene.problem(address=scene.plain) is None


async def test_a_client_certificate_that_is_refused(scene: Scene) -> None:
    revoked = scene.mine.certificate()
    await scene.proxy.serve(
        scene.mine.server_context(
            scene.mine.certificate(*HERE), crl=scene.mine.revocations(revoked)
        )
    )
    for client, reason in (
        (scene.mine.certificate(valid=EXPIRED), "client certificate: it has expired"),
        (revoked, "client certificate: it was revoked"),
        (scene.other.certificate(), "client certificate: it does not know its authority"),
    ):
        said = await scene.problem(**scene.settings(**paths(client)))
        assert said is not None
        assert reason in said
        assert "temporal.tls_client_cert_path" in said
    said = await scene.problem(
        address=scene.proxy.address, tls_server_ca_cert_path=scene.mine.ca
    )
    assert said is not None
    assert "requires a client certificate, and none was sent" in said


async def test_a_server_certificate_that_is_refused(scene: Scene) -> None:
    settings = scene.settings()
    said = await scene.problem(**{**settings, "tls_server_ca_cert_path": scene.other.ca})
    assert said is not None
    assert "no authority that this client trusts" in said
    assert "set temporal.tls_server_ca_cert_path" in said
    for certificate, reason in (
        (
            scene.mine.certificate(*HERE, valid=EXPIRED),
            "it has expired; renew it at the server",
        ),
        (scene.mine.certificate("other.example"), "set temporal.tls_server_name"),
        (scene.other.certificate(*HERE), "no authority that this client trusts"),
    ):
        await scene.proxy.serve(scene.mine.server_context(certificate))
        said = await scene.problem(**settings)
        assert said is not None
        assert reason in said
    await scene.proxy.serve(scene.mine.server_context(scene.mine.certificate("other.example")))
    assert await scene.problem(**{**settings, "tls_server_name": "other.example"}) is None


async def test_files_that_do_not_fit(scene: Scene) -> None:
    another = scene.mine.certificate()
    for changes, reason in (
        ({"tls_client_key_path": another.key}, "does not belong to the certificate"),
        ({"tls_client_key_path": scene.junk}, "junk is not its private key"),
        ({"tls_client_cert_path": scene.junk}, "junk is not a certificate"),
        ({"tls_server_ca_cert_path": scene.junk}, "junk holds no certificate"),
        ({"tls_server_ca_cert_path": scene.junk / "no"}, "tls_server_ca_cert_path: the file"),
    ):
        said = await scene.problem(**scene.settings(**changes))
        assert said is not None
        assert reason in said


async def test_tls_on_one_side_only(scene: Scene) -> None:
    said = await scene.problem(address=scene.proxy.address)
    assert said is not None
    assert "the server speaks TLS" in said
    said = await scene.problem(**scene.settings(address=scene.plain))
    assert said is not None
    assert "does not answer in TLS" in said


async def test_calls_that_fail_together_share_a_diagnosis(scene: Scene) -> None:
    diagnosis = TlsDiagnosis(
        TemporalConnection(**scene.settings(**paths(scene.mine.certificate(common_name="one"))))
    )
    assert await asyncio.gather(*(diagnosis.problem() for _ in range(5))) == [None] * 5
    assert scene.proxy.subjects == ["one"]
