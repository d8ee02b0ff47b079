"""Reads the last messages of a stream by direct requests: no consumer, no acknowledgement.

So it works with every retention, and changes nothing of what the daemon reads.
"""

from base64 import b64decode
from dataclasses import dataclass
from typing import Any

from bridge.cloudevents.headers import Headers
from bridge.errors import AttachError, RequestRefused, SourceMissing
from bridge.jetstream.api import NO_MESSAGE, NO_STREAM, ask, nanoseconds
from bridge.jetstream.client import BridgeClient

_MAX_PART = 500
"""Maximum number of messages read of one part of a stream, of which only the last are needed."""
_GROWTH = 4


@dataclass(frozen=True, slots=True)
class KeptMessage:
    """A message in a stream."""

    sequence: int
    subject: str
    headers: Headers
    payload: bytes
    arrived_ns: int
    """When the stream stored it, in nanoseconds since 1970."""


async def last_messages(
    client: BridgeClient, stream: str, subject: str | None, count: int, api: str
) -> list[KeptMessage]:
    """Return the last messages of a stream on a subject, in stream order.

    Args:
        client: A connected client.
        stream: The stream's name on the server.
        subject: A filter with ``*`` and ``>``; None: all messages.
        count: Maximum number of messages.
        api: What the subjects of JetStream requests about the stream begin with.

    Raises:
        SourceMissing: The stream does not exist.
        AttachError: The user may not read it.
        NotConnected: NATS does not answer.
    """
    try:
        info = await ask(client, f"STREAM.INFO.{stream}", api=api)
        first, end = info["state"]["first_seq"], info["state"]["last_seq"]
        # The server finds the next message on a subject, not the one before. So parts of the stream are
        # read, from its end to its beginning: larger ones while messages on the subject are rare,
        # smaller ones where there are many.
        found: list[KeptMessage] = []
        width = count
        while len(found) < count and end >= first:
            begin = max(first, end - width + 1)
            part = await _read(client, stream, subject, (begin, end), api)
            if part is None:
                width //= _GROWTH
                continue
            found = part + found
            end = begin - 1
            width *= _GROWTH
        return found[-count:]
    except RequestRefused as error:
        if error.err_code == NO_STREAM:
            raise SourceMissing(f"the NATS stream {stream!r} does not exist") from error
        raise AttachError(
            f"stream {stream}: {error}",
            f"allow this user to publish to {api}.STREAM.INFO.{stream} and "
            f"{api}.STREAM.MSG.GET.{stream}",
        ) from error


async def _read(
    client: BridgeClient,
    stream: str,
    subject: str | None,
    between: tuple[int, int],
    api: str,
) -> list[KeptMessage] | None:
    """Return the messages of a part of a stream; None if there are too many."""
    found: list[KeptMessage] = []
    sequence, last = between
    while sequence <= last:
        try:
            wanted = {"seq": sequence, "next_by_subj": subject or ">"}
            answer = await ask(client, f"STREAM.MSG.GET.{stream}", wanted, api=api)
        except RequestRefused as error:
            if error.err_code == NO_MESSAGE:
                break
            raise
        message = _message(answer["message"])
        if message.sequence > last:
            break
        if len(found) == _MAX_PART and last - between[0] >= _MAX_PART:
            return None
        found.append(message)
        sequence = message.sequence + 1
    return found


def _message(answer: dict[str, Any]) -> KeptMessage:
    return KeptMessage(
        sequence=answer["seq"],
        subject=answer["subject"],
        headers=Headers.read(b64decode(answer.get("hdrs", ""))),
        payload=b64decode(answer.get("data", "")),
        arrived_ns=nanoseconds(answer["time"]),
    )
