"""Requests to the JetStream API that give the server's own words when it refuses.

nats-py has no call for some of the requests (a consumer's reset), and answers a missing
permission with a timeout: the reason is only in an error that the server sends beside it.
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
"""A work-queue stream takes one consumer a subject, with explicit acks, from the beginning."""

NO_PERMISSION = 0
"""Stands for an error code where the server does not answer for want of a permission."""


async def ask(
    client: BridgeClient,
    operation: str,
    body: Mapping[str, Any] | None = None,
    within: float = _ANSWER_SECONDS,
) -> dict[str, Any]:
    """Send a request to ``$JS.API.<operation>`` and return the answer.

    Args:
        client: Connected.
        operation: What follows ``$JS.API.`` in the subject.
        body: Sent as JSON; nothing if None.
        within: Seconds to wait for the answer.

    Raises:
        RequestRefused: The server refuses, or this user may not ask.
        NotConnected: There was no answer.
    """
    subject = f"$JS.API.{operation}"
    payload = b"" if body is None else json.dumps(body).encode()
    asking = asyncio.ensure_future(client.request(subject, payload, timeout=within))
    denied = asyncio.ensure_future(client.denied(subject))
    try:
        await asyncio.wait({asking, denied}, return_when=asyncio.FIRST_COMPLETED)
        if denied.done():
            raise RequestRefused(operation, NO_PERMISSION, denied.result())
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
            operation,
            refusal.get("err_code", -1),
            refusal.get("description", "no reason given"),
        )
    return answer


def nanoseconds(time: str) -> int:
    """Return a time of the server's, in RFC 3339 with up to nine decimals, in nanoseconds since 1970."""
    whole, _, rest = time.rstrip("Z").partition(".")
    seconds = int(datetime.fromisoformat(whole).replace(tzinfo=UTC).timestamp())
    return seconds * 10**9 + int(rest.ljust(9, "0") or 0)
