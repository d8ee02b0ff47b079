"""What a worker uses is checked by its command and by the doctor."""

import asyncio
import os
import sys
from pathlib import Path

import pytest

from bridge.devstack.environment import scrubbed
from tests.support.stand_in_llm import refuses, stand_in, streams
from workflows.worker import checks
from workflows.worker.checks import doctor_findings, lines, worker_findings

ROOT = Path(__file__).parents[4]
COMMAND = [sys.executable, "-c", "from workflows.worker.cli import main; main()", "check"]


@pytest.fixture(autouse=True)
def own_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in set(os.environ) - set(scrubbed()):
        monkeypatch.delenv(name)

    async def nothing() -> None:
        return None

    monkeypatch.setattr(checks, "offer", nothing)


@pytest.mark.slow
async def test_the_command_asks_the_model_without_any_other_server() -> None:
    async with stand_in(refuses("401 X", "{}")) as server:
        model = {
            "NTBRIDGE_WORKER_QAGENT__GATEWAY": "openai",
            "NTBRIDGE_WORKER_OPENAI__BASE_URL": server.url,
            "NTBRIDGE_WORKER_OPENAI__MODEL": "writer",
        }
        process = await asyncio.create_subprocess_exec(
            *COMMAND, cwd=ROOT, env={**scrubbed(), **model}, stdout=asyncio.subprocess.PIPE
        )
        out, _ = await process.communicate()
    assert process.returncode == 4
    assert "failed   language model:" in out.decode()
    assert "-> set NTBRIDGE_WORKER_OPENAI__API_KEY" in out.decode()
    assert "not checked: DATABASE_URL is not set" in out.decode()


async def test_all_that_a_worker_uses_is_checked_and_redis_may_be_away(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("REDIS_URL", "redis://127.0.0.1:1")
    nowhere = {
        "database_url": "postgresql://u@127.0.0.1:1/x",
        "temporal_address": "127.0.0.1:1",
    }
    found = await worker_findings(nowhere)
    origins = {each.check: each.detail for each in found if each.check.startswith("setting ")}
    assert origins == {
        "setting database_url": "from --database-url (flag)",
        "setting redis_url": "from REDIS_URL (environment)",
        "setting temporal.address": "from --temporal-address (flag)",
    }
    states = {each.check: each.state for each in found if each.check not in origins}
    assert states == {
        "temporal": "failed",
        "postgres": "failed",
        "payload store": "ok",
        "encryption": "ok",
        "language model": "ok",
        "redis": "warning",
    }


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
