"""``ntbridge codec-server`` as a user runs it; it needs no other server."""

import base64
import os
import re
import sys
from pathlib import Path

import httpx
import pytest
from google.protobuf import json_format
from temporalio.api.common.v1 import Payload, Payloads

from bridge.devstack.child import Child, Command
from bridge.devstack.environment import scrubbed
from bridge.devstack.stack import says
from bridge.errors import StackError
from bridge.runtime.codec import CodecSettings, codec_of
from tests.support.servers import ROOT

pytestmark = pytest.mark.slow

PLAIN = Payload(metadata={"encoding": b"json/plain"}, data=b'{"marked": true}')


def command(folder: Path, *flags: str, **env: str) -> Child:
    return Child(
        Command(
            name="codec-server",
            argv=[sys.executable, "-m", "bridge", "codec-server", "--port", "0", *flags],
            env={**scrubbed(), "PYTHONPATH": str(ROOT), "NTBRIDGE_LOG__FORMAT": "json", **env},
            log=folder / "codec-server.log",
            ready=says("codec_server.listening"),
            start_within=60,
        )
    )


async def test_it_decrypts_for_the_web_interface_and_stops(tmp_path: Path) -> None:
    key = base64.b64encode(os.urandom(32)).decode()
    file = tmp_path / "codec.toml"
    file.write_text(f'current = "k1"\n[keys]\nk1 = "{key}"')
    codec = codec_of(CodecSettings(keys_file=file), "default")
    assert codec is not None
    server = command(
        tmp_path,
        *("--origin", "http://localhost:8233"),
        NTBRIDGE_TEMPORAL__CODEC__KEYS_FILE=str(file),
        NTBRIDGE_CODEC_SERVER__TOKEN="a-token-of-the-tests",
    )
    await server.start()
    try:
        found = re.search(r"http://127\.0\.0\.1:\d+", server.output())
        assert found is not None
        async with httpx.AsyncClient() as http:
            answer = await http.post(
                f"{found[0]}/a-token-of-the-tests/decode",
                content=json_format.MessageToJson(
                    Payloads(payloads=await codec.encode([PLAIN]))
                ),
                headers={"Origin": "http://localhost:8233"},
            )
            refused = await http.post(f"{found[0]}/decode", content="{}")
    finally:
        await server.stop()
    assert list(json_format.Parse(answer.text, Payloads()).payloads) == [PLAIN]
    assert refused.status_code == 401
    for secret in (key, "a-token-of-the-tests", "marked"):
        assert secret not in server.output()


async def test_without_a_codec_it_says_what_to_set(tmp_path: Path) -> None:
    server = command(tmp_path)
    with pytest.raises(StackError, match="code 3"):
        await server.start()
    assert "there is nothing to decode with: set temporal.codec" in server.output()
