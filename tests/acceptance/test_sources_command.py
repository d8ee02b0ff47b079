"""`ntbridge sources`: what is read, and what its messages would become; nothing is touched."""

import json

import nats
import pytest
from nats.js.api import RetentionPolicy, StreamConfig

from tests.support.cli import ntbridge
from tests.support.daemon import Bridge

pytestmark = pytest.mark.slow

ROUTES = """
sources:
  - stream: ORDERS
    subject: orders.*
    decode: json
    event: {id: data.orderId, type: '"com.acme.order." + tokens[1]'}
routes:
  - name: fulfil
    from: orders.created
    start: {workflow: Fulfilment, task_queue: orders, id: event.id}
"""


async def test_the_last_messages_are_tried_and_the_stream_is_not_touched(
    bridge: Bridge,
) -> None:
    stream, root = f"{bridge.prefix}-ORDERS", f"{bridge.prefix}-orders"
    routes = ROUTES.replace("ORDERS", stream).replace("orders.*", f"{root}.*")
    routes = routes.replace("from: orders.", f"from: {root}.")
    (bridge.folder / "orders.yaml").write_text(routes, encoding="utf-8")
    env = {**bridge.environment, "NTBRIDGE_ROUTES": "orders.yaml"}
    settings = bridge.settings.nats
    client = await nats.connect(settings.url)
    js = client.jetstream()
    try:
        await js.add_stream(
            StreamConfig(
                name=stream,
                subjects=[f"{root}.>"],
                retention=RetentionPolicy.WORK_QUEUE,
            )
        )
        for topic, payload in (
            (f"{root}.created", b'{"orderId": "A0"}'),
            (f"{root}.created", b'{"orderId": "A1"}'),
            (f"{root}.other.deep", b"not of this source"),
            (f"{root}.paid", b'{"orderId": "A2"}'),
            (f"{root}.paid", b"no JSON"),
            (f"{root}.other.deep", b"not of this source"),
        ):
            await js.publish(topic, payload)
        listed = await ntbridge("sources", "ls", cwd=bridge.folder, env=env)
        assert [(row["stream"], row["decode"]) for row in listed.rows] == [(stream, "json")]
        done = await ntbridge(
            *("sources", "test", stream, "--last", "3", "-o", "ndjson"),
            cwd=bridge.folder,
            env=env,
        )
        assert done.code == 1, done.err
        assert [(row["sequence"], row["becomes"], row["routes"]) for row in done.rows] == [
            (2, "event", ["fulfil"]),
            (4, "event", []),
            (5, "dead letter", []),
        ]
        created = done.rows[0]["event"]
        assert (created["id"], created["type"]) == ("A1", "com.acme.order.created")
        assert created["ntbridgesource"] == stream
        assert "the message is not JSON" in done.rows[2]["reason"]
        assert "of 3 messages: 2 events (1 that no route wants), 1 dead letters" in done.err
        info = await js.stream_info(stream)
        assert (info.state.messages, info.state.consumer_count) == (6, 0)
        unknown = await ntbridge("sources", "test", "EVENTS", cwd=bridge.folder, env=env)
        assert unknown.code == 2
        assert f"EVENTS is not a source; the sources are {stream} ({root}.*)" in unknown.err
    finally:
        await js.delete_stream(stream)
        await client.close()


async def test_one_message_in_a_file_is_explained(bridge: Bridge) -> None:
    (bridge.folder / "orders.yaml").write_text(ROUTES, encoding="utf-8")
    done = await ntbridge(
        *("routes", "explain", "--stream", "ORDERS", "--topic", "orders.created"),
        *("--file", "-", "-o", "json"),
        cwd=bridge.folder,
        env={"NTBRIDGE_ROUTES": "orders.yaml"},
        stdin=b'{"orderId": "A1"}',
    )
    assert done.code == 0, done.err
    (row,) = json.loads(done.out)
    assert (row["state"], row["plan"]["id"]) == ("matched", "A1")
