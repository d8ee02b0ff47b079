"""Requests to the JetStream API whose errors carry the server's own description.

nats-py has no call for some requests (a consumer's reset). It answers a missing permission with a
timeout: the server sends the reason in a separate error.
"""

import asyncio
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from nats.errors import Error as NatsError

from bridge.errors import NotConnected, RequestRefused
from bridge.jetstream.client import BridgeClient

_ANSWER_SECONDS = 5.0

NO_STREAM = 10059
NO_CONSUMER = 10014
NO_MESSAGE = 10037
CONSUMER_EXISTS = 10148
CONSUMER_NAME_IN_USE = 10013
ACK_PENDING_TOO_LARGE = 10121
WORK_QUEUE_CODES = frozenset({10099, 10100, 10101})
"""A work-queue stream allows one consumer a subject, with explicit acks and deliver policy all."""

NO_PERMISSION = 0
"""Used as error code when the server does not answer because a permission is missing."""


async def ask(
    client: BridgeClient,
    operation: str,
    body: Mapping[str, Any] | None = None,
    within: float = _ANSWER_SECONDS,
    *,
    api: str | None = None,
) -> dict[str, Any]:
    """Send a request to the JetStream API and return the answer.

    Args:
        client: A connected client.
        operation: The subject after ``$JS.API.``.
        api: Used instead of the client's ``$JS.API``: a domain's, or that of another account.
        body: Sent as JSON; None sends an empty payload.
        within: Seconds to wait for the answer.

    Raises:
        RequestRefused: The server refuses, or the user has no permission.
        NotConnected: There was no answer.
    """
    prefix = api or client.api
    subject = f"{prefix}.{operation}"
    payload = b"" if body is None else json.dumps(body).encode()
    asking = asyncio.ensure_future(client.request(subject, payload, timeout=within))
    denied = asyncio.ensure_future(client.denied(subject))
    try:
        await asyncio.wait({asking, denied}, return_when=asyncio.FIRST_COMPLETED)
        if denied.done():
            raise RequestRefused(subject, NO_PERMISSION, denied.result())
        answer: dict[str, Any] = json.loads((await asking).data)
    except (NatsError, OSError, TimeoutError) as error:
        reason = str(error) or type(error).__name__
        raise NotConnected(f"NATS did not answer {subject}: {reason}") from error
    finally:
        for task in (asking, denied):
            task.cancel()
        await asyncio.gather(asking, denied, return_exceptions=True)
    refusal = answer.get("error")
    if refusal is not None:
        raise RequestRefused(
            subject,
            refusal.get("err_code", -1),
            refusal.get("description", "no reason given"),
        )
    return answer


def nanoseconds(time: str) -> int:
    """Convert a time of the server (RFC 3339, up to nine decimals) to nanoseconds since 1970."""
    whole, _, rest = time.rstrip("Z").partition(".")
    seconds = int(datetime.fromisoformat(whole).replace(tzinfo=UTC).timestamp())
    return seconds * 10**9 + int(rest.ljust(9, "0") or 0)
