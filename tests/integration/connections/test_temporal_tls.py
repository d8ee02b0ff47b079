"""Temporal behind TLS that demands client certificates: daemon and workers reach it, and renew theirs."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
from temporalio.api.workflowservice.v1 import GetSystemInfoRequest

from bridge.devstack.addresses import Addresses
from bridge.health.temporal_probes import probe_namespace
from bridge.operations.calls import CallError
from bridge.runtime.errors import TemporalUnreachableError
from bridge.runtime.temporal_client import ClientRenewal
from bridge.runtime.temporal_client import connect as connect_as_worker
from bridge.settings.schema import TemporalSettings
from bridge.temporal import connect, connect_worker
from bridge.temporal.renewal import TemporalRenewal
from tests.support.certificates import HERE, Authority, Certificate
from tests.support.tls_proxy import TlsProxy, tls_proxy


@dataclass
class Scene:
    """Temporal behind TLS, and a client's certificate."""

    proxy: TlsProxy
    authority: Authority
    client: Certificate
    key: Path

    @property
    def settings(self) -> TemporalSettings:
        return TemporalSettings(
            address=self.proxy.address,
            tls_server_ca_cert_path=self.authority.ca,
            tls_client_cert_path=self.client.cert,
            tls_client_key_path=self.client.key,
            api_key_file=self.key,
            call_timeout=5,
        )


@pytest.fixture
async def scene(stack: Addresses, tmp_path: Path) -> AsyncIterator[Scene]:
    authority = Authority(tmp_path)
    key = tmp_path / "api.key"
    key.write_text("geheim")
    client = authority.certificate(common_name="first")
    context = authority.server_context(authority.certificate(*HERE))
    async with tls_proxy(stack.temporal_address, context) as proxy:
        yield Scene(proxy, authority, client, key)


async def test_a_renewed_certificate_is_used_without_a_restart(scene: Scene) -> None:
    gateway = await connect(scene.settings)
    renewal = TemporalRenewal(scene.settings)
    renewal.renew_for(gateway.use)
    await gateway.check_namespace()
    assert scene.proxy.subjects == ["first"]
    assert not await renewal.look()

    before = gateway._client  # noqa: SLF001 - a call under way holds it
    scene.client.replace(scene.authority.certificate(common_name="second"))
    assert await renewal.look()
    await gateway.check_namespace()
    assert set(scene.proxy.subjects) == {"first", "second"}
    # The old connection is still good for what began on it.
    await before.workflow_service.get_system_info(GetSystemInfoRequest())
    assert not await renewal.look()

    scene.key.write_text("another")
    assert await renewal.look()
    assert gateway._client.api_key == "another"  # noqa: SLF001


async def test_a_half_replaced_pair_is_not_used(scene: Scene) -> None:
    gateway = await connect(scene.settings)
    renewal = TemporalRenewal(scene.settings)
    renewal.renew_for(gateway.use)
    second = scene.authority.certificate(common_name="second")
    scene.client.cert.write_bytes(second.cert.read_bytes())
    assert not await renewal.look()
    await gateway.check_namespace()
    scene.client.key.write_bytes(second.key.read_bytes())
    assert await renewal.look()
    assert scene.proxy.subjects[-1] == "second"


async def test_an_expired_certificate_is_named_and_mended(scene: Scene) -> None:
    good = scene.authority.certificate(common_name="good")
    scene.client.replace(scene.authority.certificate(valid=timedelta(days=-1)))
    settings = scene.settings
    renewal, worker = TemporalRenewal(settings), ClientRenewal(settings)
    gateway = await connect(settings)
    renewal.renew_for(gateway.use)
    problem = await probe_namespace(gateway, settings)
    assert problem is not None
    assert "refuses the client certificate: it has expired" in problem.what
    with pytest.raises(CallError, match="refuses the client certificate: it has expired"):
        await connect_worker(settings)
    with pytest.raises(TemporalUnreachableError, match="certificate: it has expired") as error:
        await connect_as_worker(settings)
    assert "geheim" not in f"{problem} {error.value}"

    scene.client.replace(good)
    assert await renewal.look()
    assert await probe_namespace(gateway, settings) is None
    used: list[object] = []
    assert await worker.look(lambda: connect_as_worker(settings), used.append)
    assert len(used) == 1
