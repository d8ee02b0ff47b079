"""A Prometheus of a test's own (of the Debian package), which reads the rules of services."""

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import yaml

from bridge.devstack.child import Child, Command
from bridge.devstack.environment import for_servers
from bridge.devstack.ports import HOST, pick

PROGRAM = shutil.which("prometheus")


@dataclass
class OwnPrometheus:
    """The server; ask it over its HTTP API."""

    url: str

    @property
    def reload(self) -> str:
        return f"{self.url}/-/reload"

    async def get(self, path: str, **params: str) -> Any:
        async with httpx.AsyncClient(trust_env=False, timeout=30) as client:
            response = await client.get(f"{self.url}/api/v1/{path}", params=params)
        return response.raise_for_status().json()["data"]

    async def value(self, query: str) -> float | None:
        """The value of a query with one result; None without a result."""
        found = (await self.get("query", query=query))["result"]
        return float(found[0]["value"][1]) if found else None

    async def alerts(self) -> dict[str, str]:
        """The state of every loaded alert: inactive, pending or firing."""
        groups = (await self.get("rules", type="alert"))["groups"]
        return {rule["name"]: rule["state"] for group in groups for rule in group["rules"]}


@asynccontextmanager
async def own_prometheus(folder: Path, rules: Path) -> AsyncIterator[OwnPrometheus]:
    """Run a server that reads the rules and targets of a folder, five times a second."""
    assert PROGRAM is not None
    port = pick([])
    server = OwnPrometheus(f"http://{HOST}:{port}")
    config = folder / "prometheus.yaml"
    config.write_text(
        yaml.safe_dump(
            {
                "global": {
                    "scrape_interval": "200ms",
                    "evaluation_interval": "200ms",
                    "scrape_timeout": "200ms",
                },
                "rule_files": [f"{rules}/*.rules.yml"],
                "scrape_configs": [
                    {
                        "job_name": "services",
                        "file_sd_configs": [
                            {"files": [f"{rules}/targets.json"], "refresh_interval": "1s"}
                        ],
                    }
                ],
            }
        )
    )

    async def answers(_: Child) -> bool:
        try:
            async with httpx.AsyncClient(trust_env=False) as client:
                return (await client.get(f"{server.url}/-/ready")).is_success
        except httpx.HTTPError as error:
            raise OSError(str(error)) from error

    flags = {
        "--config.file": str(config),
        "--storage.tsdb.path": str(folder / "tsdb"),
        "--web.listen-address": f"{HOST}:{port}",
    }
    command = Command(
        name="prometheus",
        argv=[
            PROGRAM,
            "--web.enable-lifecycle",
            *(f"{flag}={value}" for flag, value in flags.items()),
        ],
        env=for_servers(str(folder)),
        log=folder / "prometheus.log",
        ready=answers,
        start_within=120,
    )
    child = Child(command)
    await child.start()
    try:
        yield server
    finally:
        await child.stop()
