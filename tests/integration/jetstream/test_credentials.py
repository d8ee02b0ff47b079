"""The bridge connects to a NATS server that knows users by JWT (operator mode) or by nkey."""

import asyncio
import gc
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from bridge.errors import NotConnected
from bridge.jetstream.connection import NatsConnection, connect_once
from bridge.settings.schema import NatsSettings
from tests.support.nkeys import Key, creds
from tests.support.own_nats import nats_of
from tests.support.waiting import eventually

pytestmark = pytest.mark.slow

_UNLIMITED = dict.fromkeys(
    ("subs", "data", "payload", "imports", "exports", "conn", "leaf", "mem_storage",
     "disk_storage", "streams", "consumer"),
    -1,
)  # fmt: skip


def with_jwt() -> tuple[str, str, str]:
    """Configuration of an operator with one account, its user's credentials, a stranger's."""
    operator, system, account, user = (
        Key("operator"),
        Key("account"),
        Key("account"),
        Key("user"),
    )
    limits = {"limits": {**_UNLIMITED, "wildcards": True}, "type": "account"}
    plain = {"limits": {**_UNLIMITED, "wildcards": True, "mem_storage": 0, "disk_storage": 0}}
    preload = {
        system.public: operator.jwt(system.public, "SYS", {**plain, "type": "account"}),
        account.public: operator.jwt(account.public, "APP", limits),
    }
    about_operator = {"type": "operator", "system_account": system.public}
    config = (
        f"operator: {operator.jwt(operator.public, 'OP', about_operator)}\n"
        f"resolver: MEMORY\nresolver_preload: {json.dumps(preload)}\n"
        f"system_account: {system.public}\n"
    )
    about_user = {"type": "user", "subs": -1, "data": -1, "payload": -1}
    jwt = account.jwt(user.public, "bridge", about_user)
    return config, creds(jwt, user.seed), creds(jwt, Key("user").seed)


def with_nkey() -> tuple[str, str, str]:
    """Likewise for a user of a plain nkey."""
    user = Key("user")
    config = f"authorization {{ users: [{{ nkey: {user.public} }}] }}\n"
    return config, f"{user.seed}\n", Key("user").seed


# nats-py leaves the sockets of refused attempts to the garbage collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("kind", [with_jwt, with_nkey])
async def test_the_server_knows_the_bridge_by_its_credentials(
    kind: Callable[[], tuple[str, str, str]], tmp_path: Path
) -> None:
    config, own, strange = kind()
    file = tmp_path / "bridge.creds"
    write(file, own)
    async with nats_of(tmp_path, config) as url:
        settings = NatsSettings(url=url, credentials=file)
        client = await connect_once(settings, "test")
        assert (await client.jetstream().account_info()).streams == 0
        await client.close()
        await refused(settings.model_copy(update={"credentials": None}))
        write(file, strange)
        await refused(settings)
        await a_daemon_waits_for_the_right_file(settings, file, own)
    gc.collect()


async def a_daemon_waits_for_the_right_file(
    settings: NatsSettings, file: Path, own: str
) -> None:
    connection = NatsConnection(settings, "test")
    starting = asyncio.create_task(connection.start())
    await eventually(lambda: "Authorization" in (connection.problem or ""))
    write(file, "nothing")
    await eventually(lambda: "neither a .creds file" in (connection.problem or ""))
    write(file, own)
    await starting
    assert (await connection.client(5)).is_connected
    await connection.stop()


def write(file: Path, text: str) -> None:
    file.write_text(text, encoding="utf-8")


async def refused(settings: NatsSettings) -> None:
    with pytest.raises(NotConnected, match="Authorization Violation"):
        await connect_once(settings, "test")
