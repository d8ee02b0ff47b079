"""A whole daemon whose own streams and subjects have other names, one of them none."""

import json
from dataclasses import dataclass
from pathlib import Path

import pytest
from nats.aio.client import Client
from typing_extensions import override

from bridge.daemon.setup import prepare
from bridge.devstack.addresses import Addresses
from bridge.settings.sources import from_environment, load
from tests.support import checker, publishing
from tests.support.cli import ntbridge
from tests.support.daemon import Bridge, running, set_up
from tests.support.waiting import eventually

pytestmark = pytest.mark.slow

STREAMS = {"events": "IN", "results": "OUT", "replay": "AGAIN", "dead_letters": None}
SUBJECTS = {"events": "shop.in", "results": "shop.out", "replay": "shop.again"}


@dataclass(frozen=True, kw_only=True)
class OtherNames(Bridge):
    """A bridge with names of its own for everything on NATS."""

    @property
    @override
    def environment(self) -> dict[str, str]:
        return {
            **super().environment,
            "NTBRIDGE_NATS__STREAMS": json.dumps(STREAMS),
            "NTBRIDGE_NATS__SUBJECTS": json.dumps(SUBJECTS),
        }


async def test_events_results_and_replays_go_by_the_names_that_are_given(
    stack: Addresses,
    migrated_database_url: str,
    prefix: str,
    task_queue: str,
    tmp_path: Path,
    client: Client,
) -> None:
    bridge = await set_up(
        OtherNames, stack, migrated_database_url, prefix, task_queue, tmp_path
    )
    again = await prepare(load([from_environment(bridge.environment)]).settings)
    assert (again.streams, again.consumers) == ((), ())
    js = client.jetstream()
    names = [each.config.name for each in await js.streams_info()]
    assert sorted(name for name in names if name and name.startswith(f"{prefix}-")) == [
        f"{prefix}-{name}" for name in ("AGAIN", "IN", "OUT")
    ]
    daemon = bridge.daemon()
    async with running(daemon, bridge.light_worker()):
        (good,) = publishing.light_events(1)
        for event in (good, {"not": "a CloudEvent"}):
            await js.publish(
                f"{prefix}.shop.in.light.requested",
                json.dumps(event).encode(),
                headers={"Content-Type": "application/cloudevents+json"},
            )

        async def result() -> bool:
            return (await js.stream_info(f"{prefix}-OUT")).state.messages == 1

        await eventually(result, within=120)
        message = await js.get_msg(f"{prefix}-OUT", 1)
        assert message.subject == f"{prefix}.shop.out.light.completed"

        async def settled() -> bool:
            return [row["state"] for row in await checker.dispatches(bridge)] == ["done"]

        await eventually(settled, within=60)
        (letter,) = await checker.rows(bridge, "select topic, notified_at from dead_letters")
        assert dict(letter) == {"topic": "events.light.requested", "notified_at": None}
    assert "dead_letters.notices" not in daemon.output()
    done = await ntbridge("replay", "--to-nats", cwd=bridge.folder, env=bridge.environment)
    assert done.code == 0, done.err
    copies = [await js.get_msg(f"{prefix}-AGAIN", number) for number in (1, 2)]
    topics = [(each.subject or "").removeprefix(f"{prefix}.shop.again.") for each in copies]
    # After the replay's id comes the topic, as routes and replays call it.
    assert [topic.partition(".")[2] for topic in topics] == [
        "events.light.requested",
        "results.light.completed",
    ]
