"""Sets the stream option that allows atomic batches."""

from collections.abc import Sequence
from typing import Any

import msgspec
import structlog
from nats.aio.client import Client
from nats.errors import Error as NatsError

from bridge.jetstream.client import api_of

log = structlog.get_logger(__name__)

_SECONDS = 5.0


async def allow_batches(client: Client, streams: Sequence[str]) -> list[str]:
    """Set ``allow_atomic`` on streams where the server supports it; return the changed ones.

    A stream without it is not an error: messages are then published one at a time (see
    `bridge.jetstream.batch_publisher`). The update keeps the configuration's JSON, so options that
    nats-py does not know are not lost.
    """
    changed = []
    for stream in streams:
        config = (await _ask(client, f"INFO.{stream}")).get("config")
        if config is None or config.get("allow_atomic"):
            continue
        answer = await _ask(client, f"UPDATE.{stream}", {**config, "allow_atomic": True})
        # Servers before 2.12 ignore unknown options and return the applied configuration.
        if answer.get("config", {}).get("allow_atomic"):
            changed.append(stream)
        else:
            reason = answer.get("error", {}).get(
                "description", "the server has no atomic batches"
            )
            log.info("stream.without_batches", stream=stream, reason=reason)
    return changed


async def _ask(
    client: Client, api: str, request: dict[str, Any] | None = None
) -> dict[str, Any]:
    payload = b"" if request is None else msgspec.json.encode(request)
    try:
        answer = await client.request(
            f"{api_of(client)}.STREAM.{api}", payload, timeout=_SECONDS
        )
    except NatsError as error:
        # A user without the permission gets no answer at all.
        return {"error": {"description": f"no answer to STREAM.{api}: {error}"}}
    found: dict[str, Any] = msgspec.json.decode(answer.data)
    return found
