"""From a plain publisher to a run and its result events, seen from outside."""

import asyncio
import base64
import json
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from nats.aio.client import Client

from bridge.devstack.environment import scrubbed
from eventstore.events import uid
from tests.support import checker, publishing
from tests.support.cli import ntbridge
from tests.support.daemon import LIGHT, REQUESTED, Bridge, running
from tests.support.publishing import event
from tests.support.waiting import eventually

pytestmark = pytest.mark.slow

ALL = [
    *(
        f"results.code-generation.{name}"
        for name in (
            *("prompt-parsed", "code-generated", "code-validated", "fingerprint-recorded"),
            "completed",
        )
    ),
    "results.provenance.sealed",
]


async def listed_by_the_temporal_cli(bridge: Bridge, query: str) -> list[dict[str, Any]]:
    """What Temporal's own command line tells an operator."""
    process = await asyncio.create_subprocess_exec(
        str(Path(sys.executable).parent / "temporal"),
        *("workflow", "list", "--query", query, "-o", "json"),
        *("--address", bridge.addresses.temporal_address, "--disable-config-file"),
        env=scrubbed(),
        stdout=asyncio.subprocess.PIPE,
    )
    stdout, _ = await process.communicate()
    assert process.returncode == 0
    found: list[dict[str, Any]] = json.loads(stdout)
    return found


def attributes_of(run: dict[str, Any]) -> dict[str, Any]:
    fields = run["searchAttributes"]["indexedFields"]
    return {name: json.loads(base64.b64decode(fields[name]["data"])) for name in fields}


async def test_an_event_in_either_mode_becomes_one_run_with_its_result_events(
    bridge: Bridge, client: Client
) -> None:
    first, second = event(REQUESTED), event(REQUESTED, correlationid="click-7")
    subscription = await client.jetstream().subscribe(
        f"{bridge.prefix}.results.>", ordered_consumer=True
    )
    async with running(bridge.worker(), bridge.daemon()):
        await publishing.structured(client, bridge, first)
        await publishing.binary(client, bridge, second)
        heard = [await subscription.next_msg(60) for _ in range(2 * len(ALL))]
        published = await checker.assert_same_results(bridge, 2 * len(ALL))

    assert [json.loads(message.data) for message in heard] == [each.event for each in published]
    by_correlation: dict[str, list[str]] = {first["id"]: [], "click-7": []}
    for message in heard:
        topic = message.subject.removeprefix(f"{bridge.prefix}.")
        by_correlation[json.loads(message.data)["correlationid"]].append(topic)
    assert by_correlation == {first["id"]: ALL, "click-7": ALL}

    for published_event, correlation in ((first, first["id"]), (second, "click-7")):
        expected = {
            "BridgeRoute": bridge.route,
            "EventUid": str(uid(published_event["source"], published_event["id"])),
            "EventType": REQUESTED,
            "CorrelationId": correlation,
        }

        async def listed(query: str = f"EventUid = '{expected['EventUid']}'") -> list[Any]:
            return await listed_by_the_temporal_cli(bridge, query)

        (run,) = await eventually(listed, within=30, what="the run in the list")
        assert attributes_of(run).items() >= expected.items()
        assert run["execution"]["workflowId"] == f"{bridge.route}/{expected['EventUid']}"
        assert run["type"]["name"] == "CodeGenerationWorkflow"


async def test_an_event_published_again_and_again_gives_one_run(
    bridge: Bridge, client: Client
) -> None:
    repeated = event(LIGHT, {"number": 1, "steps": 1})
    daemon = bridge.daemon()
    async with running(bridge.light_worker(), daemon):
        await publishing.structured(client, bridge, repeated)
        await publishing.binary(client, bridge, repeated)
        await checker.results_arrived(bridge, 2)
        await daemon.stop()
        await publishing.structured(
            client, bridge, {**repeated, "time": "2026-01-01T00:00:00Z"}
        )
        await daemon.start()
        await publishing.structured(client, bridge, repeated)
        verdicts = [row["verdict"] for row in await checker.settled(bridge, 4)]
        assert verdicts == ["matched", "repeat", "repeat", "repeat"]
        await checker.assert_same_results(bridge, 2)
        uids = [str(uid(repeated["source"], repeated["id"]))]
        await checker.assert_one_run_each(bridge, bridge.light_route, uids)
        assert len(await checker.dispatches(bridge)) == 1
        assert await checker.dead_letters(bridge) == []


async def test_what_is_no_repeat_is_told_apart(bridge: Bridge, client: Client) -> None:
    first = event(LIGHT, {"number": 1})
    namesake = {**first, "source": "/tests/another-publisher"}
    changed = {**first, "data": {"number": 2}}
    retyped = {**first, "type": "io.quantum-suite.light.other.v1"}
    unmatched = event("io.quantum-suite.light.unheard-of.v1", {"number": 3})
    async with running(bridge.light_worker(), bridge.daemon()):
        for each in (first, namesake, changed, retyped, unmatched):
            await publishing.structured(client, bridge, each)
        verdicts = [row["verdict"] for row in await checker.settled(bridge, 5)]
        assert verdicts == ["matched", "matched", "conflict", "conflict", "unmatched"]
        await checker.results_arrived(bridge, 2)
        published = await checker.assert_same_results(bridge, 2)

    uids = [str(uid(each["source"], each["id"])) for each in (first, namesake)]
    await checker.assert_one_run_each(bridge, bridge.light_route, uids)
    assert [each.event["data"]["number"] for each in published] == [1, 1]
    letters = await checker.dead_letters(bridge)
    assert [(row["stage"], row["code"], row["state"]) for row in letters] == [
        ("intake", "conflict", "open")
    ] * 2
    assert [json.loads(row["payload"]) for row in letters] == [changed, retyped]
    statement = "select id, source, data from event_attributes where origin = 'received' order by position"
    rows = await checker.rows(bridge, statement)
    assert [(row["id"], row["source"], json.loads(row["data"])) for row in rows] == [
        (each["id"], each["source"], each["data"]) for each in (first, namesake, unmatched)
    ]


async def test_a_workflow_id_that_somebody_else_took_is_a_visible_collision(
    bridge: Bridge, client: Client
) -> None:
    taken = event(LIGHT, {"number": 1})
    good = event(LIGHT, {"number": 2})
    target = f"{bridge.light_route}/{uid(taken['source'], taken['id'])}"
    temporal = await checker.connected(bridge)
    handle = await temporal.start_workflow(
        "LightWorkflow", {"number": 99}, id=target, task_queue=bridge.task_queue
    )
    async with running(bridge.light_worker(), bridge.daemon()):
        await publishing.structured(client, bridge, taken)
        await publishing.structured(client, bridge, good)
        await checker.settled(bridge, 2)
        await checker.results_arrived(bridge, 2)
    collided, done = await checker.dispatches(bridge)
    assert (collided["state"], collided["target"]) == ("collision", target)
    assert collided["run_id"] == handle.result_run_id
    assert "belongs to a run that another event or caller started" in collided["error"]
    assert done["state"] == "done"

    async def listed(*arguments: str) -> list[dict[str, Any]]:
        command = ("dispatches", "ls", *arguments)
        found = await ntbridge(*command, cwd=bridge.folder, env=bridge.environment)
        assert found.code == 0, found.err
        return found.rows

    assert await listed() == []
    [row] = await listed("--state", "collision")
    assert (row["event_id"], row["target"]) == (taken["id"], target)
    assert "belongs to a run" in row["error"]
    both = await listed("--state", "collision", "--state", "done")
    assert [each["event_id"] for each in both] == [taken["id"], good["id"]]
    assert await listed("--state", "done", "--target", target) == []


async def test_what_waits_for_its_target_is_listed_with_how_long(
    bridge: Bridge, client: Client
) -> None:
    told = event("io.example.told.v1", {"to": "nobody-there"})
    name = f"{bridge.prefix}-told"
    route = {
        "name": name,
        "from": publishing.subject_of(bridge, "io.example.told.v1").removeprefix(
            f"{bridge.prefix}."
        ),
        "only": ["nobody-*"],
        "signal": {
            "signal": "told",
            "workflow_id": "data.to",
            "when_missing": "wait",
            "wait_for": "1h",
        },
    }
    bridge.routes_file.write_text(json.dumps({"routes": [route]}))
    async with running(bridge.daemon()):
        await publishing.structured(client, bridge, told)

        async def waits() -> dict[str, Any] | None:
            found = await ntbridge(
                *("dispatches", "ls", "--route", name),
                cwd=bridge.folder,
                env=bridge.environment,
            )
            return next((row for row in found.rows if row["state"] == "waiting"), None)

        row = await eventually(waits, within=30, what="a dispatch that waits")
        assert (row["event_id"], row["target"]) == (told["id"], "nobody-there")
        left = datetime.fromisoformat(row["waiting_until"]) - datetime.now(UTC)
        assert timedelta(minutes=55) < left <= timedelta(hours=1)
        behind = event("io.example.told.v1", {"to": "nobody-there"})
        await publishing.structured(client, bridge, behind)

        async def held() -> bool:
            found = await ntbridge(
                *("dispatches", "ls", "--route", name),
                cwd=bridge.folder,
                env=bridge.environment,
            )
            return any(
                each["event_id"] == behind["id"]
                and each["waits_for"]
                == f"signal nobody-there by route {name} (event {told['id']}), ahead of it in lane nobody-there"
                for each in found.rows
            )

        await eventually(held, within=30, what="the one behind it, and what holds it")
        explained = await ntbridge(
            *("events", "explain", told["id"], "-o", "table"),
            cwd=bridge.folder,
            env=bridge.environment,
        )
        assert "waits until 20" in explained.out
        assert row["waits_for"].startswith("workflow nobody-there to start, until 20")
