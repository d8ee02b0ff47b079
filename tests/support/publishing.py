"""Events as a team's own publisher would send them: with nats-py alone, or without any client."""

import asyncio
import json
import uuid
from collections.abc import Mapping
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

import nats
from nats.aio.client import Client
from nats.js import JetStreamContext
from nats.js.api import PubAck

from tests.support.daemon import LIGHT, Bridge

SOURCE = "/tests/publisher"
PROMPT = {"prompt": "Write a function that computes fibonacci numbers", "language": "python"}


def light_events(count: int, steps: int = 0) -> list[dict[str, Any]]:
    """That many events for the light workflow; each leads to `steps` result events and one more."""
    return [event(LIGHT, {"number": number, "steps": steps}) for number in range(count)]


def event(event_type: str, data: object = PROMPT, **attributes: Any) -> dict[str, Any]:
    """An event in the JSON format, with an id of its own unless one is given."""
    return {
        "specversion": "1.0",
        "id": str(uuid.uuid4()),
        "source": SOURCE,
        "type": event_type,
        "data": data,
        **attributes,
    }


def subject_of(bridge: Bridge, event_type: str) -> str:
    """The subject on the server that events of a type go to."""
    domain, name = event_type.split(".")[-3:-1]
    return f"{bridge.prefix}.events.{domain}.{name}"


async def structured(client: Client, bridge: Bridge, message: Mapping[str, Any]) -> PubAck:
    """Publish in structured mode."""
    return await structured_on(client.jetstream(), bridge, message)


async def structured_on(
    js: JetStreamContext, bridge: Bridge, message: Mapping[str, Any]
) -> PubAck:
    """The same, where the context is at hand."""
    return await js.publish(
        subject_of(bridge, message["type"]),
        json.dumps(message).encode(),
        headers={"Content-Type": "application/cloudevents+json"},
    )


async def binary(client: Client, bridge: Bridge, message: Mapping[str, Any]) -> PubAck:
    """Publish in binary mode."""
    headers = {f"ce-{name}": str(value) for name, value in message.items() if name != "data"}
    return await client.jetstream().publish(
        subject_of(bridge, message["type"]),
        json.dumps(message["data"]).encode(),
        headers={**headers, "Content-Type": "application/json"},
    )


async def insistently(
    client: Client, bridge: Bridge, message: Mapping[str, Any], within: float = 1.0
) -> None:
    """Publish until it is acknowledged, as a publisher does who does not know whether it arrived."""
    while True:
        with suppress(nats.errors.Error, nats.js.errors.Error, OSError):
            await asyncio.wait_for(structured(client, bridge, message), within)
            return


async def raw(url: str, subject: str, header_block: bytes, payload: bytes) -> bool:
    """Publish bytes that no client library would send; tell whether a stream has taken them."""
    address = urlsplit(url)
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    try:
        await reader.readline()
        head, total = len(header_block), len(header_block) + len(payload)
        inbox = f"_INBOX.{uuid.uuid4().hex}"
        writer.write(
            b'CONNECT {"verbose":false,"headers":true}\r\n'
            + f"SUB {inbox} 1\r\nHPUB {subject} {inbox} {head} {total}\r\n".encode()
            + header_block
            + payload
            + b"\r\n"
        )
        while not (line := await reader.readline()).startswith(b"MSG "):
            if not line or line.startswith(b"-ERR"):
                return False  # the server knows better than to take this
        return "error" not in json.loads(await reader.readline())
    finally:
        writer.close()
