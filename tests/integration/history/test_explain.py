"""`ntbridge events explain`: what became of an event, as an operator asks it."""

import asyncio
import json
from typing import Any

import pytest
import yaml
from nats.aio.client import Client

from eventstore.events import uid
from tests.support import checker
from tests.support.cli import Done, ntbridge
from tests.support.daemon import LIGHT, Bridge, running
from tests.support.publishing import SOURCE, event, structured, subject_of
from tests.support.waiting import eventually

pytestmark = pytest.mark.slow


async def explain(bridge: Bridge, *arguments: str, **env: str) -> Done:
    return await ntbridge(
        "events", "explain", *arguments, cwd=bridge.folder, env={**bridge.environment, **env}
    )


async def explained(bridge: Bridge, *arguments: str, **env: str) -> dict[str, Any]:
    done = await explain(bridge, *arguments, "-o", "json", **env)
    assert done.code == 0, done.err
    answer: dict[str, Any] = json.loads(done.out)
    return answer


def write_routes(
    bridge: Bridge, *others: dict[str, Any], task_queue: str | None = None
) -> None:
    start = {"workflow": "LightWorkflow", "task_queue": task_queue or bridge.task_queue}
    light = {"name": bridge.light_route, "from": "events.light.requested", "start": start}
    bridge.routes_file.write_text(yaml.safe_dump({"routes": [light, *others]}))


def other(bridge: Bridge, name: str, when: str) -> dict[str, Any]:
    start = {"workflow": "Nothing", "task_queue": bridge.task_queue}
    return {"name": name, "from": "events.light.requested", "when": when, "start": start}


async def test_the_whole_story_of_an_event(bridge: Bridge, client: Client) -> None:
    write_routes(
        bridge,
        other(bridge, "picky", "data.number > 100"),
        other(bridge, "failing", "data.nothing > 100"),
    )
    async with running(bridge.daemon(), bridge.light_worker()):
        sent = event(LIGHT, {"number": 1, "steps": 1}, id="the-one")
        await structured(client, bridge, sent)
        await checker.results_arrived(bridge, 2)

        async def completed() -> bool:
            found = await checker.runs(bridge, bridge.light_route)
            return [run["status"] for run in found] == ["COMPLETED"]

        await eventually(completed, what="the run is completed")

    write_routes(bridge, other(bridge, "new", "true"), task_queue="another")
    story, away, human = await asyncio.gather(
        explained(bridge, str(uid(SOURCE, "the-one"))),
        explained(bridge, "the-one", TEMPORAL_ADDRESS="127.0.0.1:1"),
        explain(bridge, "the-one"),
    )
    [delivery] = story["deliveries"]
    assert (delivery["stream"], delivery["sequence"]) == ("EVENTS", 1)
    assert delivery["verdict"] == "matched"
    done, dead = story["event"]["dispatches"]
    assert (done["state"], done["attempts"], done["run"]["status"]) == ("done", 1, "completed")
    assert done["run_id"] == done["run"]["run_id"]
    assert [each["topic"] for each in done["events"]] == [
        "results.light.stepped",
        "results.light.completed",
    ]
    assert (dead["state"], dead["route"]) == ("dead", "failing")
    assert [each["route"] for each in story["event"]["letters"]] == ["failing"]
    routes = {each["route"]: each for each in story["routes"]}
    assert routes[bridge.light_route]["revision"] == "changed"
    assert (routes["new"]["today"], routes["new"]["recorded"]) == ("matched", "not dispatched")
    assert routes["failing"]["today"] == "removed"
    assert "picky" not in routes

    unreachable = away["event"]["dispatches"][0]
    assert (unreachable["state"], unreachable["run"]["status"]) == ("done", "unknown")
    assert unreachable["run"]["detail"]

    assert human.code == 0
    for part in (
        "the-one",
        "delivery EVENTS sequence 1 matched",
        f"start {done['target']}",
        "completed",
        "results.light.stepped",
        "dead letter 1",
        "no dispatch is recorded: the route is newer than the event",
        "settled ",
    ):
        assert part in human.out
    result = done["events"][0]
    emitted = await explained(bridge, result["id"])
    assert emitted["caused_by"]["id"] == "the-one"
    assert emitted["routes"] == []


async def test_an_event_that_was_never_recorded(bridge: Bridge, client: Client) -> None:
    write_routes(bridge)
    async with running(bridge.daemon()):
        await client.jetstream().publish(
            subject_of(bridge, LIGHT), b'{"id": "lost", "source": 1'
        )

        async def kept() -> bool:
            return bool(await checker.dead_letters(bridge))

        await eventually(kept)
    mentioned, unknown = await asyncio.gather(
        explain(bridge, "lost"), explain(bridge, "nobody", "-o", "json")
    )
    assert (mentioned.code, unknown.code) == (1, 1)
    assert "no event 'lost' was recorded" in mentioned.err
    assert "dead letter 1 (open, intake json) mentions it" in mentioned.err
    assert json.loads(unknown.out) == {"event": None, "letters": [], "deleted_before": None}


async def test_an_id_of_several_sources_is_asked_about(bridge: Bridge, client: Client) -> None:
    write_routes(bridge, other(bridge, "picky", "data.number > 100"))
    async with running(bridge.daemon()):
        for source in ("/a", "/b"):
            await structured(
                client,
                bridge,
                event("io.example.nobody.cares.v1", {"number": 1}, id="same", source=source),
            )

        async def both() -> bool:
            return len(await checker.deliveries(bridge)) == 2

        await eventually(both)
    asked, one, without_routes = await asyncio.gather(
        explain(bridge, "same"),
        explained(bridge, "same", "--source", "/b"),
        explained(bridge, "same", "--source", "/a", NTBRIDGE_ROUTES="nowhere.yaml"),
    )
    assert asked.code == 2
    assert "--source /a" in asked.err
    assert "--source /b" in asked.err
    assert one["event"]["source"] == "/b"
    assert one["deliveries"][0]["verdict"] == "unmatched"
    reasons = {each["route"]: each["reason"] for each in one["routes"]}
    assert set(reasons) == {bridge.light_route, "picky"}
    assert all(reasons.values())
    [remark] = without_routes["remarks"]
    assert "nowhere.yaml" in remark
