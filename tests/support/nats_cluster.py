"""Three nats-servers that form a cluster, any of which may be killed, restarted or frozen."""

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import nats
from typing_extensions import override

from bridge.devstack import ports
from bridge.devstack.nats_server import NatsServer
from bridge.devstack.ports import HOST
from bridge.devstack.state import StateFolder
from tests.support.waiting import eventually

_NODES = 3
_CONFIG = """\
server_name: {name}
host: {host}
port: {port}
max_payload: 8MB
jetstream {{
  store_dir: {store}
}}
cluster {{
  name: ntbridge-test
  host: {host}
  port: {route}
  routes: [{routes}]
}}
"""


class Node(NatsServer):
    """One server of the cluster."""

    def __init__(
        self, state: StateFolder, name: str, port: int, routes: list[int], own: int
    ) -> None:
        super().__init__(state, port)
        self.server_name = name
        folder = json.dumps(str(state.part("nats")), ensure_ascii=False)
        others = ", ".join(f"nats://{HOST}:{route}" for route in routes if route != own)
        self._text = _CONFIG.format(
            name=name, host=HOST, port=port, store=folder, route=own, routes=others
        )

    @override
    async def prepare(self) -> None:
        """Write the configuration."""
        self._config.write_text(self._text, encoding="utf-8")

    def freeze(self) -> None:
        """Stop the process where it is, as a network that drops every packet would."""
        os.kill(self.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it continue."""
        os.kill(self.pid, signal.SIGCONT)


@dataclass(frozen=True)
class Cluster:
    """The servers, in no particular order."""

    nodes: list[Node]

    @property
    def url(self) -> str:
        """Where clients connect: any of the servers."""
        return ",".join(node.url for node in self.nodes)

    async def leader(self, stream: str) -> Node:
        """Return the node that leads a stream, once there is one."""
        found: list[Node] = []

        async def look() -> bool:
            client = await nats.connect(self.url.split(","), connect_timeout=2)
            try:
                info = await client.jetstream().stream_info(stream)
            finally:
                await client.close()
            name = info.cluster.leader if info.cluster is not None else None
            found[:] = [node for node in self.nodes if node.server_name == name]
            return bool(found)

        await eventually(
            look,
            within=60,
            what=f"{stream} has a leader",
            forgive=(nats.errors.Error, nats.js.errors.Error, OSError, TimeoutError),
        )
        return found[0]

    async def follower(self, stream: str) -> Node:
        """Return a node that does not lead a stream."""
        leader = await self.leader(stream)
        return next(node for node in self.nodes if node is not leader)


@asynccontextmanager
async def own_cluster(folder: Path) -> AsyncIterator[Cluster]:
    """A cluster of the test's own, which takes streams of three replicas."""
    given: list[int] = []
    for _ in range(2 * _NODES):
        given.append(ports.pick([], given))
    clients, routes = given[:_NODES], given[_NODES:]
    states = [StateFolder(folder / f"node-{number}") for number in range(_NODES)]
    for state in states:
        state.__enter__()
    nodes = [
        Node(state, f"node-{number}", clients[number], routes, routes[number])
        for number, state in enumerate(states)
    ]
    try:
        await asyncio.gather(*(node.start() for node in nodes))
        cluster = Cluster(nodes)
        await _until_it_takes_streams(cluster)
        yield cluster
    finally:
        for node in nodes:
            await node.kill()
        for state in states:
            state.__exit__(None, None, None)


async def _until_it_takes_streams(cluster: Cluster) -> None:
    client = await nats.connect(cluster.url.split(","), connect_timeout=2)
    js = client.jetstream()

    async def look() -> bool:
        await js.add_stream(name="probe", subjects=["probe"], num_replicas=_NODES)
        await js.delete_stream("probe")
        return True

    try:
        await eventually(
            look,
            within=60,
            what="the cluster takes streams",
            forgive=(nats.errors.Error, nats.js.errors.Error, OSError, TimeoutError),
        )
    finally:
        await client.close()
