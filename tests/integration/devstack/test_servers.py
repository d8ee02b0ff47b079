"""The three servers, run in the test's own process over a state folder of its own."""

import asyncio
import os
import signal
import socket
import stat
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
import nats
import pytest

from bridge.devstack import launch, ports
from bridge.devstack.ports import HOST
from bridge.devstack.servers import DevServers
from bridge.devstack.temporal_server import FLAGS, SEARCH_ATTRIBUTES, TemporalServer
from bridge.errors import StackError

pytestmark = pytest.mark.slow


@asynccontextmanager
async def running(
    state: Path | None, progress: Callable[[str], None] = print
) -> AsyncIterator[DevServers]:
    servers = DevServers(state, progress, standard_ports=False)
    await servers.start()
    try:
        yield servers
    finally:
        await servers.stop()


async def query(servers: DevServers, statement: str) -> object:
    connection = await asyncpg.connect(servers.addresses.database_url, timeout=5)
    try:
        return await connection.fetchval(statement)
    finally:
        await connection.close()


async def stream_names(servers: DevServers) -> set[str | None]:
    client = await nats.connect(servers.addresses.nats_url)
    try:
        return {info.config.name for info in await client.jetstream().streams_info()}
    finally:
        await client.close()


async def add_stream(servers: DevServers) -> None:
    client = await nats.connect(servers.addresses.nats_url)
    try:
        await client.jetstream().add_stream(name="KEPT", subjects=["kept.>"])
    finally:
        await client.close()


async def attributes(server: TemporalServer) -> set[str]:
    answer = await server.get("/cluster/namespaces/default/search-attributes")
    return set(answer["customAttributes"])


def modes(folder: Path) -> list[tuple[str, int, int, int]]:
    """Owner, group and mode of the folder and all above it."""
    seen = [(place, place.stat()) for place in (folder, *folder.parents)]
    return [(str(place), at.st_uid, at.st_gid, at.st_mode) for place, at in seen]


def names(folder: Path) -> set[str]:
    return {entry.name for entry in folder.iterdir()}


async def test_a_second_run_finds_state_and_ports_of_the_first(tmp_path: Path) -> None:
    said: list[str] = []
    async with running(tmp_path / "state", said.append) as servers:
        first = servers.addresses
        await query(servers, "CREATE TABLE kept (n int)")
        await add_stream(servers)
        assert await attributes(servers.temporal) >= set(SEARCH_ATTRIBUTES)
        assert set(first.pids) == {"dev", "nats-server", "temporal", "postgres"}
        for pid in first.pids.values():
            os.kill(pid, 0)
    assert f"state in {tmp_path / 'state'}" in said
    assert "starting postgres" in said
    async with running(tmp_path / "state") as servers:
        second = servers.addresses
        assert second.nats_url == first.nats_url
        assert second.temporal_address == first.temporal_address
        assert second.temporal_ui_url == first.temporal_ui_url
        assert second.database_url == first.database_url
        assert await query(servers, "SELECT count(*) FROM kept") == 0
        assert "KEPT" in await stream_names(servers)


async def test_killed_servers_come_back_on_their_ports(tmp_path: Path) -> None:
    async with running(tmp_path) as servers:
        before = servers.addresses
        await query(servers, "CREATE TABLE kept AS SELECT 1 AS n")
        busy = await asyncpg.connect(before.database_url)
        for server in (servers.postgres, servers.nats, servers.temporal):
            await server.kill()
            await server.start()
        busy.terminate()
        after = servers.addresses
        assert after.database_url == before.database_url
        assert after.nats_url == before.nats_url
        assert after.temporal_address == before.temporal_address
        assert not set(before.pids.values()) & set(after.pids.values()) - {os.getpid()}
        assert await query(servers, "SELECT n FROM kept") == 1


async def test_leftovers_of_a_killed_run_are_no_obstacle(tmp_path: Path) -> None:
    async with running(tmp_path) as servers:
        await query(servers, "CREATE TABLE kept (n int)")
    # A process id file that names a process which lives, and is not Postgres.
    data = tmp_path / "postgres" / "data"
    (data / "postmaster.pid").write_text(f"{os.getppid()}\n{data}\n0\n5432\n\n\n0 0\n")
    (tmp_path / "stack.json").write_text("{}")
    half = tmp_path / "postgres" / "data.new"
    half.mkdir()
    (half / "PG_VERSION").write_text("18")
    async with running(tmp_path) as servers:
        assert await query(servers, "SELECT count(*) FROM kept") == 0
        assert not (tmp_path / "stack.json").exists()


async def test_attributes_are_registered_in_a_database_that_lacks_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = "bridge.devstack.temporal_server"
    first, *others = SEARCH_ATTRIBUTES
    flags = [flag for flag in FLAGS if not any(f"={name}=" in flag for name in others)]
    with monkeypatch.context() as patch:
        patch.setattr(f"{module}.SEARCH_ATTRIBUTES", (first,))
        patch.setattr(f"{module}.FLAGS", flags)
        async with running(tmp_path) as servers:
            assert await attributes(servers.temporal) == {first}
    async with running(tmp_path) as servers:
        assert await attributes(servers.temporal) == set(SEARCH_ATTRIBUTES)


async def test_a_port_that_is_taken_is_replaced(tmp_path: Path) -> None:
    async with running(tmp_path) as servers:
        used = servers.nats.port
    with socket.create_server((HOST, used)):
        async with running(tmp_path) as servers:
            assert servers.nats.port != used
            assert await stream_names(servers) == set()


async def test_a_port_taken_at_the_last_moment_is_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The port was free when it was picked, and is not when the server binds it."""
    with socket.create_server((HOST, 0)) as listener:
        used = listener.getsockname()[1]
        answers = iter([used])
        pick = ports.pick
        monkeypatch.setattr(
            "bridge.devstack.ports.pick", lambda *given: next(answers, None) or pick(*given)
        )
        async with running(tmp_path) as servers:
            assert servers.nats.port != used


async def test_the_death_of_a_server_is_reported_with_its_last_lines(tmp_path: Path) -> None:
    async with running(tmp_path) as servers:
        waiting = asyncio.create_task(servers.wait())
        os.kill(servers.nats.pid, signal.SIGKILL)
        with pytest.raises(
            StackError, match=r"(?s)nats-server was ended by SIGKILL\. .*Server is ready"
        ):
            await waiting


async def test_a_server_that_cannot_start_takes_the_others_along(tmp_path: Path) -> None:
    database = tmp_path / "temporal" / "temporal.db"
    database.parent.mkdir()
    database.write_text("no database at all")
    servers = DevServers(tmp_path, standard_ports=False)
    with pytest.raises(
        StackError, match=r"(?s)temporal ended with exit code 1 .*not a database"
    ):
        await servers.start()
    with pytest.raises(StackError, match="not running"):
        _ = servers.addresses
    async with running(tmp_path / "other"):
        pass


async def test_nothing_outside_the_state_folder_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Run as root this is about Postgres, which must run as another user below folders of root."""
    home = tmp_path / "home"
    home.mkdir()
    state = tmp_path / "private" / "state"
    state.mkdir(parents=True)
    (tmp_path / "private").chmod(0o700)
    monkeypatch.setenv("HOME", str(home))
    passwd = Path("/etc/passwd").read_bytes()  # noqa: ASYNC240 - three small files
    before = modes(state)
    async with running(state):
        assert modes(state) == before
    assert modes(state) == before
    assert passwd == Path("/etc/passwd").read_bytes()  # noqa: ASYNC240
    assert not names(home)
    assert names(tmp_path) == {"home", "private"}
    assert stat.S_IMODE((state / "postgres" / "password").stat().st_mode) == 0o600


@pytest.mark.skipif(os.geteuid() != 0, reason="an ordinary user stays who they are")
async def test_root_runs_postgres_without_user_namespaces_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also over a data folder that was made the other way."""
    choices = "bridge.devstack.postgres_server._INSTEAD_OF_ROOT"
    for identity, owner in (
        ("nobody", launch.NOBODY),
        ("namespace", 0),
        ("nobody", launch.NOBODY),
    ):
        monkeypatch.setattr(choices, (identity,))
        async with running(tmp_path / "state") as servers:
            data = tmp_path / "state" / "postgres" / "data"
            assert data.stat().st_uid == owner
            await query(servers, "CREATE TABLE IF NOT EXISTS kept (n int)")
    monkeypatch.setattr(choices, ())
    with pytest.raises(StackError, match="Run as an ordinary user, or allow user namespaces"):
        await DevServers(tmp_path / "state").start()


async def test_the_environment_does_not_reach_the_servers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    foreign = ["DATABASE_URL", "NATS_URL", "TEMPORAL_ADDRESS", "PGHOST", "PGDATA"]
    for name in [*foreign, "SOMETHING_ELSE"]:
        monkeypatch.setenv(name, "nowhere.invalid")
    async with running(tmp_path) as servers:
        for name, pid in servers.addresses.pids.items():
            if name != "dev":
                seen = Path(f"/proc/{pid}/environ").read_bytes()  # noqa: ASYNC240
                assert b"nowhere.invalid" not in seen


async def test_a_password_is_asked_for(tmp_path: Path) -> None:
    async with running(tmp_path) as servers:
        url = servers.addresses.database_url
        wrong = url.replace(url.split(":")[2].split("@")[0], "guess")
        with pytest.raises(asyncpg.InvalidPasswordError):
            await asyncpg.connect(wrong)


async def test_a_temporary_state_is_removed() -> None:
    async with running(None) as servers:
        folder = servers.state.folder
        assert (folder / "postgres" / "data").exists()
    assert not folder.exists()


async def test_start_and_stop_may_be_called_twice(tmp_path: Path) -> None:
    async with running(tmp_path) as servers:
        before = servers.addresses
        await servers.start()
        assert servers.addresses == before
    await servers.stop()
