"""Whatever is published: it is served or set aside with its bytes and a reason; nothing stalls."""

import json
from dataclasses import dataclass, field

import pytest
from nats.aio.client import Client

from bridge.cloudevents.headers import Headers
from tests.support import checker, publishing
from tests.support.daemon import LIGHT, Bridge, running
from tests.support.publishing import event, subject_of

pytestmark = pytest.mark.slow

STRUCTURED = {"Content-Type": "application/cloudevents+json"}


@dataclass(frozen=True)
class Bad:
    """A message, and the code of the dead letter that it must become."""

    name: str
    code: str
    payload: bytes
    headers: dict[str, str] = field(default_factory=lambda: STRUCTURED)
    reason: str = ""


def without(name: str) -> bytes:
    return json.dumps({k: v for k, v in event(LIGHT).items() if k != name}).encode()


BAD = [
    Bad("no-json", "json", b"{nonsense", reason="not a JSON object"),
    Bad("no-object", "json", b"[1, 2]"),
    Bad("invalid-utf-8", "json", b'{"id": "\xff"}'),
    Bad("nested-too-deeply", "json", b"[" * 100_000),
    Bad("deep-data", "nesting", b'{"data": ' + b"[" * 50_000 + b"]" * 50_000 + b"}"),
    Bad("no-id", "id", without("id"), reason="'id' is missing"),
    Bad("no-source", "source", without("source")),
    Bad("no-type", "type", without("type")),
    Bad("version-0.3", "specversion", json.dumps(event(LIGHT, specversion="0.3")).encode()),
    Bad("empty", "json", b""),
    Bad("empty-without-headers", "json", b"", {}),
    Bad("text", "not-a-cloudevent", b"hello", {"Content-Type": "text/plain"}),
    Bad(
        "binary-mode-no-id",
        "id",
        b"{}",
        {"ce-specversion": "1.0", "ce-source": "/", "ce-type": "t"},
    ),
    Bad("status-408", "json", b"no", {"Status": "408"}),
    Bad("status-500", "json", b"", {"Status": "500", "Description": "oops"}),
    Bad("status-no-number", "json", b"", {"Status": "many"}),
    Bad("nul", "id", json.dumps(event(LIGHT, id="a\0b")).encode()),
    Bad(
        "type-too-long",
        "not-storable",
        json.dumps(event("io.example." + "x" * 2000)).encode(),
        reason="a type has 1 to 2000 bytes",
    ),
    Bad("lone-surrogate", "json", b'{"specversion": "1.0", "id": "\\ud800"}'),
]


async def test_what_is_no_event_is_set_aside_with_its_bytes(
    bridge: Bridge, client: Client
) -> None:
    subject = subject_of(bridge, LIGHT)
    js = client.jetstream()
    good = [event(LIGHT, {"number": number}) for number in range(len(BAD))]
    async with running(bridge.light_worker(), bridge.daemon()):
        for bad, following in zip(BAD, good, strict=True):
            await js.publish(subject, bad.payload, headers=bad.headers or None)
            await publishing.structured(client, bridge, following)
        verdicts = [row["verdict"] for row in await checker.settled(bridge, 2 * len(BAD))]
        assert verdicts == ["set-aside", "matched"] * len(BAD)
        await checker.results_arrived(bridge, len(good))
        await checker.assert_same_results(bridge, len(good))

    letters = await checker.dead_letters(bridge)
    assert [(row["stage"], row["code"]) for row in letters] == [
        ("intake", bad.code) for bad in BAD
    ]
    for bad, letter in zip(BAD, letters, strict=True):
        assert letter["payload"] == bad.payload, bad.name
        kept = dict(Headers.read(letter["headers"]) or {})
        assert kept.items() >= bad.headers.items(), bad.name
        assert bad.reason in letter["reason"]
        assert letter["reason"], bad.name
        assert letter["topic"] == "events.light.requested"


async def test_a_flood_of_forged_control_messages_stalls_nothing(
    bridge: Bridge, client: Client
) -> None:
    subject = subject_of(bridge, LIGHT)
    async with running(bridge.light_worker(), bridge.daemon()):
        for _ in range(30):
            await client.jetstream().publish(subject, b"", headers={"Status": "408"})
        poisoned_but_good = event(LIGHT, {"number": 1})
        await client.jetstream().publish(
            subject,
            json.dumps(poisoned_but_good).encode(),
            headers={**STRUCTURED, "Status": "408"},
        )
        await publishing.structured(client, bridge, event(LIGHT, {"number": 2}))
        verdicts = [row["verdict"] for row in await checker.settled(bridge, 32)]
        assert verdicts == ["set-aside"] * 30 + ["matched"] * 2
        await checker.results_arrived(bridge, 2)
    assert len(await checker.dead_letters(bridge)) == 30


HEADER_BLOCKS = {
    "non-utf-8-value": b"NATS/1.0\r\nContent-Type: application/cloudevents+json\r\nx: \xff\xfe\r\n\r\n",
    "non-utf-8-name": b"NATS/1.0\r\nContent-Type: application/cloudevents+json\r\n\xff\xfe: x\r\n\r\n",
    "non-utf-8-attribute": b"NATS/1.0\r\nce-specversion: 1.0\r\nce-id: \xff\r\nce-source: /\r\nce-type: t\r\n\r\n",
    "no-colon": b"NATS/1.0\r\nnonsense\r\n\r\n",
    "only-the-version": b"NATS/1.0\r\n\r\n",
    "inline-status": b"NATS/1.0 408 Request Timeout\r\n\r\n",
    "inline-status-503": b"NATS/1.0 503\r\n\r\n",
    "inline-heartbeat": b"NATS/1.0 100 Idle Heartbeat\r\nNats-Consumer-Stalled: x\r\n\r\n",
    "inline-status-non-utf-8": b"NATS/1.0 \xff\xfe\xfd oops\r\n\r\n",
    "inline-description-non-utf-8": b"NATS/1.0 408 \xff\xfe\r\n\r\n",
    "inline-description-with-headers": b"NATS/1.0 408 a\r\n\xff: \xfe\r\n\r\n",
    "no-line-end": b"NATS/1.0\r\n",
    "wrong-version": b"NATS/9.9\r\na: b\r\n\r\n",
    "rubbish": b"\x00\x01\x02",
    "empty": b"",
}
"""Header blocks that no client library writes and nats-server stores without a look."""


async def test_headers_that_no_library_writes_stall_nothing(
    bridge: Bridge, client: Client
) -> None:
    good = event(LIGHT, {"number": 0})
    taken = 0
    async with running(bridge.light_worker(), bridge.daemon()):
        for block in HEADER_BLOCKS.values():
            payload = json.dumps(event(LIGHT, {"number": 1})).encode()
            taken += await publishing.raw(
                bridge.addresses.nats_url, subject_of(bridge, LIGHT), block, payload
            )
        await publishing.structured(client, bridge, good)
        verdicts = [row["verdict"] for row in await checker.settled(bridge, taken + 1)]
        assert verdicts[-1] == "matched"
        matched = verdicts.count("matched")
        await checker.results_arrived(bridge, matched)
        published = await checker.assert_same_results(bridge, matched)
    assert good["id"] in [each.event["correlationid"] for each in published]
    letters = await checker.dead_letters(bridge)
    assert len(letters) == verdicts.count("set-aside")
    assert all(letter["payload"] is not None and letter["reason"] for letter in letters)


async def test_a_large_body_is_served_or_set_aside(bridge: Bridge, client: Client) -> None:
    # Temporal takes 2 MB an argument and 4 MB a call; the server of the tests 8 MB a message.
    sizes = [1_000_000, 2_200_000, 4_500_000, 8_000_000]
    large = [event(LIGHT, {"number": size, "ballast": "x" * size}) for size in sizes]
    async with running(bridge.light_worker(), bridge.daemon()):
        for each in large:
            await publishing.structured(client, bridge, each)
        await publishing.structured(client, bridge, event(LIGHT, {"number": 2}))
        await checker.settled(bridge, len(large) + 1)
        await checker.results_arrived(bridge, 2)
        published = await checker.assert_same_results(bridge, 2)
    states = [row["state"] for row in await checker.dispatches(bridge)]
    assert states == ["done", "dead", "dead", "dead", "done"]
    assert {each.event["data"]["number"] for each in published} == {sizes[0], 2}
    letters = await checker.dead_letters(bridge)
    assert {(row["stage"], row["code"]) for row in letters} == {("dispatch", "permanent")}
    kept = {json.loads(row["payload"])["number"]: json.loads(row["payload"]) for row in letters}
    assert kept == {each["data"]["number"]: each["data"] for each in large[1:]}
    assert all(row["reason"] for row in letters)
