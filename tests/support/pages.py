"""What a process of ours shows on its pages."""

import asyncio
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from tests.support.waiting import line


@dataclass(frozen=True)
class Shown:
    """An answer."""

    status: int
    body: str

    @property
    def json(self) -> dict[str, Any]:
        """The body, as JSON."""
        found: dict[str, Any] = json.loads(self.body)
        return found

    def check(self, name: str) -> dict[str, str]:
        """One of the checks of `/readyz`."""
        found: dict[str, str] = next(
            each for each in self.json["checks"] if each["check"] == name
        )
        return found

    @property
    def failed(self) -> list[str]:
        """The checks that failed."""
        return [each["check"] for each in self.json["checks"] if each["state"] == "failed"]


async def url_of(log: Path, start: int = 0) -> str:
    """Where the process that writes this log serves its pages."""
    entry: dict[str, str] = json.loads(
        await line(log, '"event": "http.listening"', within=60, start=start)
    )
    return entry["url"]


async def get(url: str, path: str) -> Shown:
    """Look at a page."""
    host, _, port = url.removeprefix("http://").rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        writer.write(f"GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
        head, _, body = (await reader.read()).partition(b"\r\n\r\n")
    finally:
        writer.close()
    return Shown(int(head.split(b" ", 2)[1]), body.decode())


async def metrics(url: str) -> dict[str, float]:
    """The samples of `/metrics`, summed over their labels."""
    shown = await get(url, "/metrics")
    found: dict[str, float] = {}
    for family in text_string_to_metric_families(shown.body):
        for sample in family.samples:
            found[sample.name] = found.get(sample.name, 0.0) + sample.value
    return found
