"""What the documents print is run: the complete settings file of docs/adoption.md, and the subscribers of docs/subscribe.md."""

import asyncio
import json
import re
import shutil
import ssl
import sys
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import nats
import pytest

from bridge.devstack.addresses import Addresses
from bridge.devstack.child import Child, Command
from bridge.devstack.environment import scrubbed
from bridge.devstack.stack import says
from tests.support import publishing
from tests.support.certificates import HERE, Authority
from tests.support.cli import NTBRIDGE, ntbridge
from tests.support.daemon import LIGHT, Bridge, running
from tests.support.own_nats import nats_of
from tests.support.servers import ROOT
from tests.support.tls_proxy import tls_proxy
from tests.support.waiting import eventually

pytestmark = [pytest.mark.torture, pytest.mark.timeout(600)]

ADOPTION = ROOT / "docs" / "adoption"
_PASSWORD = "change me"
"""As adoption/nats-permissions.conf has it."""
_ADMIN = "of the one who migrates"


def snippet(document: str, mark: str) -> str:
    """The one block of Python in a document with this text."""
    text = (ROOT / "docs" / document).read_text(encoding="utf-8")
    blocks: list[str] = re.findall(r"^```python\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    (found,) = (block for block in blocks if mark in block)
    return found


async def as_printed(code: str, names: Mapping[str, Any]) -> None:
    """Run the statements of a snippet, which may wait, with these names around them."""
    known = dict(names)
    body = textwrap.indent(code, "    ")
    exec(compile(f"async def printed():\n{body}", "snippet", "exec"), known)
    await known["printed"]()


async def test_the_complete_settings_file_runs_a_bridge(
    stack: Addresses, migrated_database_url: str, prefix: str, tmp_path: Path
) -> None:
    authority = Authority(tmp_path / "authority")
    certificate = authority.certificate(*HERE)
    (tmp_path / "nats").mkdir()
    async with nats_of(tmp_path / "nats", _with_an_admin(certificate)) as url, tls_proxy(
        stack.temporal_address, _context(certificate)
    ) as temporal:  # fmt: skip
        address = url.replace("nats://127.0.0.1", "tls://localhost")
        folder = _installed(tmp_path, prefix, address, temporal.address, authority.ca)
        env = {
            **scrubbed(),
            "PYTHONPATH": str(ROOT),
            "DATABASE_URL": migrated_database_url,
            "TEMPORAL_TLS_SERVER_CA_CERT_PATH": str(authority.ca),
            "NTBRIDGE_HTTP__PORT": "0",
        }
        client = await nats.connect(
            address,
            user="admin",
            password=_ADMIN,
            tls=ssl.create_default_context(cafile=authority.ca),
        )
        js = client.jetstream()
        await js.add_stream(name="ORDERS", subjects=["orders.>"])
        (folder / "admin").write_text(_ADMIN, encoding="utf-8")
        admin = {
            "NTBRIDGE_NATS__USER": "admin",
            "NTBRIDGE_NATS__PASSWORD_FILE": str(folder / "admin"),
            "NTBRIDGE_NATS__INBOX_PREFIX": "_INBOX",
        }
        migrated = await ntbridge("migrate", cwd=folder, env={**env, **admin})
        assert migrated.code == 0, migrated.err
        async with running(
            _child("daemon", folder, [*NTBRIDGE, "run"], env, ready="daemon.ready"),
            _child(
                "worker",
                folder,
                [sys.executable, str(ADOPTION / "worker.py")],
                {
                    "TEMPORAL_ADDRESS": stack.temporal_address,
                    "NTBRIDGE_EMIT__TASK_QUEUE": f"{prefix}-events",
                },
            ),
        ):

            async def attached() -> bool:
                return bool(await js.consumers_info("ORDERS"))

            await eventually(attached, within=60, what="the source's consumer")
            order = {"orderId": "A1", "total": 12.5, "at": "2026-03-01T10:00:00Z"}
            for status in ("created", "paid"):
                message = json.dumps({**order, "status": status}).encode()
                await js.publish(f"orders.{status}", message)

            async def fulfilled() -> bool:
                return (await js.stream_info("RESULTS")).state.messages >= 2

            await eventually(fulfilled, within=120, what="the order is fulfilled")
            looked = await ntbridge("doctor", "-o", "json", cwd=folder, env=env)
            rows = json.loads(looked.out)
            # One server on one disk of a test: what it says of the stream's replica is right.
            assert {row["check"] for row in rows if row["state"] == "failed"} <= {"durability"}
            sources = {row["check"]: row["detail"] for row in rows}
            assert sources["setting relay.window"] == "from the file ntbridge.yaml"
        first = await js.get_msg("RESULTS", 1)
        assert first.subject == "results.order.fulfilled"
        assert json.loads(first.data or b"")["data"] == {"orderId": "A1", "total": 12.5}
        await client.close()


def _with_an_admin(certificate: Any) -> str:
    permissions = (ADOPTION / "nats-permissions.conf").read_text(encoding="utf-8")
    assert f'password: "{_PASSWORD}"' in permissions
    users = "  users = [\n"
    assert users in permissions
    admin = f"    {{ user: admin, password: {json.dumps(_ADMIN)} }}\n"
    tls = f"tls {{ cert_file: {json.dumps(str(certificate.cert))}, key_file: {json.dumps(str(certificate.key))} }}\n"
    return tls + permissions.replace(users, users + admin)


def _context(certificate: Any) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate.cert, certificate.key)
    context.set_alpn_protocols(["h2"])
    return context


def _installed(folder: Path, prefix: str, nats_url: str, temporal: str, ca: Path) -> Path:
    """The two files in the folder where the daemon starts; only addresses, paths and names are other ones."""
    own = folder / "installed"
    own.mkdir()
    shutil.copy(ADOPTION / "routes.yaml", own)
    (own / "nats-password").write_text(_PASSWORD, encoding="utf-8")
    text = (ADOPTION / "ntbridge.yaml").read_text(encoding="utf-8")
    for old, new in (
        ("tls://nats-0.example.com:4222,tls://nats-1.example.com:4222", nats_url),
        ("# tls_ca: /run/secrets/ca.pem", f"tls_ca: {ca}"),
        ("/run/secrets/nats-password", str(own / "nats-password")),
        ("replicas: 3", "replicas: 1"),
        ("temporal.example.com:7233", temporal),
        ("namespace: orders", "namespace: default"),
        ("task_queue: ntbridge-events", f"task_queue: {prefix}-events"),
    ):
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    (own / "ntbridge.yaml").write_text(text, encoding="utf-8")
    return own


def _child(
    name: str, folder: Path, argv: Sequence[str], env: Mapping[str, str], ready: str = ""
) -> Child:
    inside = ["/bin/sh", "-c", 'cd "$0" && exec "$@"', str(folder), *argv]
    return Child(
        Command(
            name=name,
            argv=inside,
            env={**scrubbed(), **env},
            log=folder / f"{name}.log",
            ready=says(ready) if ready else None,
            start_within=180,
        )
    )


async def test_a_subscriber_of_the_package_reads_to_the_end_of_a_run(
    bridge: Bridge, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in bridge.environment.items():
        if name.startswith(("NATS_", "TEMPORAL_", "DATABASE_", "NTBRIDGE_")):
            monkeypatch.setenv(name, value)
    client = await nats.connect(bridge.addresses.nats_url)
    event = publishing.event(LIGHT, {"number": 1, "steps": 1}, id="asked")
    async with running(bridge.light_worker(), bridge.daemon(NTBRIDGE_CLOSURES__ENABLED="true")):
        await publishing.structured(client, bridge, event)
        code = snippet("subscribe.md", "results.watch")
        await asyncio.wait_for(as_printed(code, {"request_id": "asked"}), 120)
    lines = [each for each in capsys.readouterr().out.splitlines() if " [info" not in each]
    assert lines[0].startswith("results.light.stepped ")
    assert lines[-1] == "completed"
    await client.close()


class _Enough(Exception):  # noqa: N818 - no error
    """Everything was settled."""


async def test_a_subscriber_of_its_own_settles_each_result(tmp_path: Path) -> None:
    async with nats_of(tmp_path, "") as url:
        client = await nats.connect(url)
        js = client.jetstream()
        await js.add_stream(name="RESULTS", subjects=["results.>"])
        sent = [{"source": "/shop", "id": str(number), "data": number} for number in range(3)]
        for each in sent:
            await js.publish("results.code-generation.completed", json.dumps(each).encode())
        await js.publish("results.other.completed", b"{}")
        settled: list[dict[str, Any]] = []

        async def settle(source: str, id: str, event: dict[str, Any]) -> None:  # noqa: A002
            assert (event["source"], event["id"]) == (source, id)
            settled.append(event)
            if len(settled) == len(sent):
                raise _Enough

        with pytest.raises(_Enough):
            await asyncio.wait_for(
                as_printed(
                    snippet("subscribe.md", "pull_subscribe"),
                    {"js": js, "nats": nats, "json": json, "settle": settle},
                ),
                60,
            )
        assert settled == sent
        await client.close()


async def test_a_scanner_is_tested_by_its_contract_as_printed(tmp_path: Path) -> None:
    (tmp_path / "acme").mkdir()
    (tmp_path / "acme" / "scanning.py").write_text(
        "from workflows.adapters.security.bandit import BanditScanner as AcmeScanner\n"
    )
    (tmp_path / "test_acme.py").write_text(snippet("adapters.md", "ScannerContract"))
    (tmp_path / "pytest.ini").write_text("[pytest]\nasyncio_mode = auto\n")
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"),
        cwd=tmp_path,
        env={**scrubbed(), "PYTHONPATH": f"{ROOT}:{tmp_path}"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await process.communicate()
    assert process.returncode == 0, said.decode()
    assert re.search(rb"\d passed", said)
