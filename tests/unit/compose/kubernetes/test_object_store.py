"""Daemons and workers reach the object store with the variables of the manifests, and trust only its own authority."""

import asyncio
import ssl
import sys
from pathlib import Path

import pytest

from bridge.devstack.environment import scrubbed
from tests.support.kubernetes.manifests import (
    ROOT,
    Document,
    contents,
    made_secrets,
    placed,
    workloads,
)
from tests.support.tls_proxy import tls_proxy

pytest.importorskip("moto", reason="moto, a server that speaks S3, is not installed")

PROGRAM = """
import asyncio, os
from bridge.runtime.object_store import ObjectStore
async def main():
    store = ObjectStore.open(os.environ["STORE"], retries=0)
    await store.put("folder/object", b"content")
    print(await store.get("folder/object"))
asyncio.run(main())
"""


async def run(env: dict[str, str]) -> tuple[bytes, bytes]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", PROGRAM),
        env={**scrubbed(), **env, "PYTHONPATH": str(ROOT)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    return await process.communicate()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "store"),
    [
        ("quantum-temporal-workers-qinfra", "NTBRIDGE_WORKER_ARTEFACTS"),
        ("quantum-temporal-workers-qinfra", "NTBRIDGE_WORKER_PAYLOADS__STORE"),
        ("ntbridge", "NTBRIDGE_TEMPORAL__PAYLOADS__STORE"),
        ("ntbridge-console", "NTBRIDGE_TEMPORAL__PAYLOADS__STORE"),
    ],
)
async def test_a_program_stores_and_reads(
    name: str, store: str, dev: tuple[Document, ...], tmp_path: Path
) -> None:
    known = (*dev, *made_secrets())
    (program,) = (each for each in workloads(known) if each.name == name)
    variables = placed(program, known, tmp_path)
    variables["STORE"] = variables[store]
    for key, content in contents(known)["Secret", "quantum-data", "object-store-tls"].items():
        (tmp_path / key).write_text(content, encoding="utf-8")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "tls.crt", tmp_path / "tls.key")
    from tests.support.own_s3 import own_s3  # noqa: PLC0415 - it needs moto

    with own_s3() as s3:
        target = s3["AWS_ENDPOINT_URL"].removeprefix("http://")
        async with tls_proxy(target, context) as proxy:
            variables["AWS_ENDPOINT_URL"] = f"https://{proxy.address}"
            out, err = await run(variables)
            assert out == b"b'content'\n", err
            # The system's authorities did not sign that certificate.
            del variables["SSL_CERT_FILE"]
            out, err = await run(variables)
            assert out == b""
            assert b"certificate" in err or b"UnknownIssuer" in err
