"""What an operator meets: `doctor`, `migrate`, `run` on what is missing or wrong, a found stack."""

import json
from typing import Any

import pytest

from bridge.devstack.addresses import Addresses
from tests.support import checker
from tests.support.cli import Dev, Done, ntbridge
from tests.support.daemon import Bridge

pytestmark = pytest.mark.slow

NOWHERE = {
    "nats": {"NATS_URL": "nats://127.0.0.1:1"},
    "temporal": {"TEMPORAL_ADDRESS": "127.0.0.1:1"},
    "postgres": {"DATABASE_URL": "postgresql://ntbridge:geheim@127.0.0.1:1/ntbridge"},
}


def findings(done: Done) -> dict[str, dict[str, Any]]:
    rows: list[dict[str, Any]] = json.loads(done.out)
    return {row["check"]: row for row in rows}


async def examined(bridge: Bridge, **env: str) -> tuple[Done, dict[str, dict[str, Any]]]:
    done = await ntbridge(
        "doctor", "-o", "json", cwd=bridge.folder, env={**bridge.environment, **env}
    )
    assert "Traceback" not in done.err
    return done, findings(done)


async def test_the_doctor_finds_nothing_wrong_with_a_healthy_bridge(bridge: Bridge) -> None:
    done, found = await examined(bridge)
    assert done.code == 0, done.out
    warned = {name: row["detail"] for name, row in found.items() if row["state"] != "ok"}
    assert warned.pop("leases") == "no daemon is running: nothing moves"
    assert set(warned) == {f"task queue {bridge.task_queue}"}
    assert {
        "nats",
        "temporal",
        "postgres",
        "schema",
        "routes",
        "search attributes",
    } <= found.keys()
    assert f"stream {bridge.prefix}-EVENTS" in found
    assert bridge.light_route in found["routes"]["detail"]
    assert found["setting nats.url"]["detail"] == "from the environment variable NATS_URL"


async def test_the_doctor_tells_of_open_dead_letters(bridge: Bridge) -> None:
    await checker.rows(
        bridge,
        "insert into dead_letters (stage, code, reason, state, closed_at) values"
        " ('intake', 'json', 'no JSON', 'open', null),"
        " ('intake', 'json', 'no JSON', 'dropped', now())",
    )
    done, found = await examined(bridge)
    assert done.code == 0
    letters = found["dead letters"]
    assert (letters["state"], letters["detail"]) == ("warning", "1 open")
    assert "ntbridge dead-letters ls" in letters["to do"]


@pytest.mark.parametrize("server", NOWHERE)
async def test_the_doctor_names_the_server_that_is_away(bridge: Bridge, server: str) -> None:
    done, found = await examined(bridge, **NOWHERE[server])
    assert done.code == 4
    assert [name for name, row in found.items() if row["state"] == "failed"] == [server]
    assert found[server]["to do"]
    assert "geheim" not in done.out + done.err


async def test_the_doctor_names_what_has_not_been_set_up(
    bridge: Bridge, database_url: str
) -> None:
    env = {"NTBRIDGE_NATS__PREFIX": f"{bridge.prefix}x", "DATABASE_URL": database_url}
    done, found = await examined(bridge, **env)
    assert done.code == 4
    failed = {name: row["to do"] for name, row in found.items() if row["state"] == "failed"}
    streams = {f"stream {bridge.prefix}x-{name}" for name in ("EVENTS", "RESULTS")}
    assert failed == {
        **dict.fromkeys({*streams, "schema"}, "run 'ntbridge migrate'"),
        "source EVENTS/ntbridge": "run 'ntbridge migrate', or correct nats.prefix and "
        "intake.sources",
    }
    for name in ("DEADLETTERS", "REPLAY"):
        assert found[f"stream {bridge.prefix}x-{name}"]["state"] == "warning"


async def test_migrate_sets_up_what_the_doctor_misses(
    stack: Addresses, database_url: str, prefix: str, task_queue: str, bridge: Bridge
) -> None:
    fresh = Bridge(
        addresses=stack,
        database_url=database_url,
        prefix=prefix,
        task_queue=task_queue,
        folder=bridge.folder,
    )
    refused = await ntbridge("run", cwd=fresh.folder, env=fresh.environment)
    assert refused.code == 4
    assert "ntbridge migrate" in refused.err
    assert "Traceback" not in refused.err
    first = await ntbridge("migrate", cwd=fresh.folder, env=fresh.environment)
    again = await ntbridge("migrate", cwd=fresh.folder, env=fresh.environment)
    assert (first.code, again.code) == (0, 0)
    assert any(row["made"] == "table migration" for row in first.rows)
    assert again.rows == [{"made": "nothing", "name": "all there"}]
    done, _ = await examined(fresh)
    assert done.code == 0
    assert await checker.dispatches(fresh) == []


@pytest.mark.parametrize("server", NOWHERE)
async def test_migrate_tells_what_is_away(bridge: Bridge, server: str) -> None:
    done = await ntbridge(
        "migrate", cwd=bridge.folder, env={**bridge.environment, **NOWHERE[server]}
    )
    assert (done.code, done.out) == (4, "")
    assert done.err.startswith("ntbridge: ")
    assert "Traceback" not in done.err
    assert "geheim" not in done.err


@pytest.mark.parametrize(
    ("env", "code", "message"),
    [
        ({"NTBRIDGE_ROUTES": "nowhere.yaml"}, 3, "nowhere.yaml does not exist"),
        (
            {"NTBRIDGE_INTAKE__BATHC": "1"},
            3,
            "intake.bathc (from the environment variable NTBRIDGE",
        ),
        ({"NTBRIDGE_INTAKE__BATCH": "many"}, 3, "intake.batch"),
        (
            {"DATABASE_URL": "mysql://x"},
            3,
            "database.url (from the environment variable DATABASE_URL)",
        ),
    ],
)
async def test_the_daemon_refuses_wrong_settings(
    bridge: Bridge, env: dict[str, str], code: int, message: str
) -> None:
    done = await ntbridge("run", cwd=bridge.folder, env={**bridge.environment, **env})
    assert done.code == code, done.err
    assert message in done.err
    assert "Traceback" not in done.err


async def test_a_stack_is_found_from_its_folder_and_below(dev: Dev) -> None:
    below = dev.folder / "some" / "where"
    below.mkdir(parents=True, exist_ok=True)
    for folder in (dev.folder, below):
        done = await ntbridge("doctor", "-o", "json", cwd=folder)
        assert done.code == 0, done.out
        found = findings(done)
        assert found["nats"]["detail"].startswith(dev.addresses.nats_url)
        assert found["setting nats.url"]["detail"] == "from the stack running in this folder"


async def test_what_is_exported_goes_before_the_found_stack_and_is_mentioned(dev: Dev) -> None:
    done = await ntbridge("doctor", "-o", "json", cwd=dev.folder, env=NOWHERE["nats"])
    assert done.code == 4
    assert (
        "nats.url comes from the environment variable NATS_URL, not from the stack" in done.err
    )
    assert findings(done)["nats"]["state"] == "failed"


async def test_settings_of_the_worker_do_not_disturb_the_others(dev: Dev) -> None:
    env = {"NTBRIDGE_WORKER_MODULES": "qagent"}
    done = await ntbridge("doctor", cwd=dev.folder, env=env)
    assert done.code == 0, done.err


async def test_outside_of_any_folder_with_a_stack_nothing_is_found(
    bridge: Bridge,
) -> None:
    done = await ntbridge(
        *("doctor", "-o", "json", "--nats-url", "nats://127.0.0.1:1"),
        *("--temporal-address", "127.0.0.1:1", "--database-url", "postgresql://127.0.0.1:1/x"),
        cwd=bridge.folder,
    )
    assert done.code == 4
    assert all("stack running" not in row["detail"] for row in findings(done).values())
