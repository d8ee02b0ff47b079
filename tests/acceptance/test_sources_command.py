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
  - stream: {stream}
    subject: {stream}.*
    decode: json
    event: {{id: data.orderId, type: '"com.acme.order." + tokens[1]'}}
routes:
  - name: fulfil
    from: {stream}.created
    start: {{workflow: Fulfilment, task_queue: orders, id: event.id}}
"""


async def test_the_last_messages_are_tried_and_the_stream_is_not_touched(
    bridge: Bridge,
) -> None:
    stream = f"ORDERS-{bridge.prefix}"
    (bridge.folder / "orders.yaml").write_text(ROUTES.format(stream=stream), encoding="utf-8")
    env = {**bridge.environment, "NTBRIDGE_ROUTES": "orders.yaml"}
    client = await nats.connect(bridge.settings.nats.url)
    js = client.jetstream()
    try:
        await js.add_stream(
            StreamConfig(
                name=stream,
                subjects=[f"{stream}.>"],
                retention=RetentionPolicy.WORK_QUEUE,
            )
        )
        for topic, payload in (
            ("created", b'{"orderId": "A0"}'),
            ("created", b'{"orderId": "A1"}'),
            ("other.deep", b"not of this source"),
            ("paid", b'{"orderId": "A2"}'),
            ("paid", b"no JSON"),
            ("other.deep", b"not of this source"),
        ):
            await js.publish(f"{stream}.{topic}", payload)
        listed = await ntbridge("sources", "ls", cwd=bridge.folder, env=env)
        assert (stream, "json") in [(row["stream"], row["decode"]) for row in listed.rows]
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
        assert "of 3 messages: 2 events (1 that no route matches), 1 dead letters" in done.err
        info = await js.stream_info(stream)
        assert (info.state.messages, info.state.consumer_count) == (6, 0)
        unknown = await ntbridge("sources", "test", "NOWHERE", cwd=bridge.folder, env=env)
        assert unknown.code == 2
        assert "NOWHERE is not a source; the sources are" in unknown.err
        assert f"{stream} ({stream}.*)" in unknown.err
    finally:
        await js.delete_stream(stream)
        await client.close()


async def test_one_message_in_a_file_is_explained(bridge: Bridge) -> None:
    text = ROUTES.format(stream="ORDERS")
    (bridge.folder / "orders.yaml").write_text(text, encoding="utf-8")
    done = await ntbridge(
        *("routes", "explain", "--stream", "ORDERS", "--topic", "ORDERS.created"),
        *("--file", "-", "-o", "json"),
        cwd=bridge.folder,
        env={"NTBRIDGE_ROUTES": "orders.yaml"},
        stdin=b'{"orderId": "A1"}',
    )
    assert done.code == 0, done.err
    (row,) = json.loads(done.out)
    assert (row["state"], row["plan"]["id"]) == ("matched", "A1")
