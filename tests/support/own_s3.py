"""A server of a test's own that speaks S3 (moto's), over HTTP on a port of this machine."""

import asyncio
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import httpx
import pytest
from temporalio.contrib.aws.s3driver import S3StorageDriverClient
from typing_extensions import override

BUCKET = "artefacts"


def _server(port: int = 0) -> Any:
    """A server that is not started; skips the test where moto is not installed."""
    moto = pytest.importorskip(
        "moto.server", reason="moto, a server that speaks S3, is not installed"
    )
    return moto.ThreadedMotoServer(ip_address="127.0.0.1", port=port, verbose=False)


@contextmanager
def own_s3() -> Iterator[Mapping[str, str]]:
    """Run the server with an empty bucket; yield the variables that lead to it."""
    server = _server()
    server.start()
    try:
        host, port = server.get_host_and_port()
        address = f"http://{host}:{port}"
        httpx.put(f"{address}/{BUCKET}", timeout=30).raise_for_status()
        yield _variables(address)
    finally:
        server.stop()


def _variables(address: str) -> Mapping[str, str]:
    return {
        "AWS_ENDPOINT_URL": address,
        "AWS_ALLOW_HTTP": "true",
        "AWS_ACCESS_KEY_ID": "of-a-test",
        "AWS_SECRET_ACCESS_KEY": "of-a-test",
        "AWS_REGION": "us-east-1",
    }


@contextmanager
def led_to_s3() -> Iterator[str]:
    """Run the server, and let this process find it; yield the URL of an empty store."""
    with own_s3() as variables, patch.dict(os.environ, variables):
        yield f"s3://{BUCKET}/of-a-test"


class SdkClient(S3StorageDriverClient):
    """What Temporal's own S3 driver needs, over the client library that moto brings."""

    def __init__(self) -> None:
        import boto3  # noqa: PLC0415 - moto brings it

        self._s3 = boto3.client("s3")

    @override
    async def put_object(self, *, bucket: str, key: str, data: bytes) -> None:
        await asyncio.to_thread(self._s3.put_object, Bucket=bucket, Key=key, Body=data)

    @override
    async def object_exists(self, *, bucket: str, key: str) -> bool:
        found = await asyncio.to_thread(self._s3.list_objects_v2, Bucket=bucket, Prefix=key)
        return bool(found.get("Contents"))

    @override
    async def get_object(self, *, bucket: str, key: str) -> bytes:
        found = await asyncio.to_thread(self._s3.get_object, Bucket=bucket, Key=key)
        return bytes(found["Body"].read())


class RestartableS3:
    """The server with an empty bucket, which keeps its objects while it is stopped."""

    def __init__(self) -> None:
        self._server = _server()
        self._server.start()
        host, port = self._server.get_host_and_port()
        self._port = port
        self.url = f"s3://{BUCKET}"
        address = f"http://{host}:{port}"
        httpx.put(f"{address}/{BUCKET}", timeout=30).raise_for_status()
        self.variables = _variables(address)

    def stop(self) -> None:
        """Refuse connections."""
        self._server.stop()

    def start(self) -> None:
        """Answer again."""
        self._server = _server(self._port)
        self._server.start()
