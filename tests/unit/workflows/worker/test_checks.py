"""What a worker uses is checked by its command and by the doctor."""

import asyncio
import json
import os
import sys
from pathlib import Path

import pytest

from bridge.devstack.environment import scrubbed
from tests.support.stand_in_llm import refuses, stand_in, streams
from workflows.worker import checks
from workflows.worker.checks import doctor_findings, lines

ROOT = Path(__file__).parents[4]
COMMAND = [sys.executable, "-c", "from workflows.worker.cli import main; main()", "check"]


@pytest.fixture(autouse=True)
def own_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in set(os.environ) - set(scrubbed()):
        monkeypatch.delenv(name)

    async def nothing() -> None:
        return None

    monkeypatch.setattr(checks, "offer", nothing)


async def check(*flags: str, **env: str) -> tuple[int, str]:
    """Run the command; return its exit code and its output."""
    process = await asyncio.create_subprocess_exec(
        *COMMAND,
        *flags,
        cwd=ROOT,
        env={**scrubbed(), **env},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    out, _ = await process.communicate()
    return process.returncode or 0, out.decode()


@pytest.mark.slow
async def test_the_command_asks_the_model_without_any_other_server() -> None:
    async with stand_in(streams("yes"), refuses("401 X", "{}")) as server:
        model = {
            "NTBRIDGE_WORKER_QAGENT__GATEWAY": "openai",
            "NTBRIDGE_WORKER_OPENAI__BASE_URL": server.url,
            "NTBRIDGE_WORKER_OPENAI__MODEL": "writer",
        }
        code, out = await check("--output", "json", **model)
        assert (code, [row["state"] for row in json.loads(out)]) == (0, ["ok", "ok"]), out
        code, out = await check(**model)
    assert code == 4
    assert "failed   language model:" in out
    assert "-> set NTBRIDGE_WORKER_OPENAI__API_KEY" in out
    assert "not checked: DATABASE_URL is not set" in out


@pytest.mark.slow
async def test_the_command_checks_the_servers_and_a_redis_that_is_away_is_no_failure() -> None:
    nowhere = {
        "DATABASE_URL": "postgresql://u@127.0.0.1:1/x",
        "TEMPORAL_ADDRESS": "127.0.0.1:1",
        "REDIS_URL": "redis://127.0.0.1:1",
    }
    code, out = await check("--output", "json", **nowhere)
    states = {row["check"]: row["state"] for row in json.loads(out)}
    assert code == 4
    assert (states["temporal"], states["postgres"]) == ("failed", "failed")
    assert (states["redis"], states["encryption"]) == ("warning", "ok")
    assert states["language model"] == "ok"


async def test_the_doctor_knows_the_model_of_its_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert await doctor_findings() == []
    async with stand_in(streams("yes")) as server:
        monkeypatch.setenv("NTBRIDGE_WORKER_QTEST__GENERATOR", "openai")
        monkeypatch.setenv("NTBRIDGE_WORKER_OPENAI__BASE_URL", server.url)
        monkeypatch.setenv("NTBRIDGE_WORKER_OPENAI__MODEL", "writer")
        [finding] = await doctor_findings()
        assert (finding.check, finding.state) == ("language model", "ok")
        monkeypatch.setenv("NTBRIDGE_WORKER_MODULES", "qinfra,qsre")
        assert await doctor_findings() == [], "these modules ask no model"
    monkeypatch.setenv("NTBRIDGE_WORKER_OPENAI__SECONDS", "long")
    [wrong] = await doctor_findings()
    assert wrong.state == "failed"
    assert "NTBRIDGE_WORKER_OPENAI__SECONDS (environment)" in wrong.detail
    assert lines([wrong])[1].endswith("-> correct the setting")
