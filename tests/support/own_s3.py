"""A server of a test's own that speaks S3 (moto's), over HTTP on a port of this machine."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from unittest.mock import patch

import httpx
from moto.server import ThreadedMotoServer

BUCKET = "artefacts"


@contextmanager
def own_s3() -> Iterator[Mapping[str, str]]:
    """Run the server with an empty bucket; yield the variables that lead to it."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        address = f"http://{host}:{port}"
        httpx.put(f"{address}/{BUCKET}", timeout=30).raise_for_status()
        yield {
            "AWS_ENDPOINT_URL": address,
            "AWS_ALLOW_HTTP": "true",
            "AWS_ACCESS_KEY_ID": "of-a-test",
            "AWS_SECRET_ACCESS_KEY": "of-a-test",
            "AWS_REGION": "us-east-1",
        }
    finally:
        server.stop()


@contextmanager
def led_to_s3() -> Iterator[str]:
    """Run the server, and let this process find it; yield the URL of an empty store."""
    with own_s3() as variables, patch.dict(os.environ, variables):
        yield f"s3://{BUCKET}/of-a-test"
