"""A publisher and a subscriber with the logins of the compose stack, by a plain NATS client.

Called by check.sh: the server's URL and the file of its authority as arguments, the two passwords in NATS_USER_PASSWORDS.
"""

import asyncio
import json
import os
import ssl
import sys
import uuid

import nats
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error as NatsError
from nats.errors import TimeoutError as NatsTimeoutError
from nats.js import JetStreamContext

_WITHIN = 60.0
_DENIED_WITHIN = 2.0


async def _connect(url: str, authority: str, user: str, password: str) -> Client:
    # A denied operation is reported to the error callback only; the caller sees a timeout.
    async def hush(_: Exception) -> None:
        """Leave it to the time-out."""

    return await nats.connect(
        url,
        user=user,
        password=password,
        tls=ssl.create_default_context(cafile=authority),
        error_cb=hush,
        # Answers come to inboxes of the login's own.
        inbox_prefix=f"_INBOX_{user}",
    )


async def _is_denied(client: Client, subject: str) -> bool:
    try:
        await client.jetstream().publish(subject, b"forged", timeout=_DENIED_WITHIN)
    except (NatsError, TimeoutError):
        return True
    return False


async def _ended(results: JetStreamContext.PullSubscription, correlation: str) -> Msg:
    while True:
        try:
            messages = await results.fetch(10, timeout=1)
        except NatsTimeoutError:
            continue
        for message in messages:
            await message.ack()
            result = json.loads(message.data)
            ended = message.subject.endswith((".completed", ".failed"))
            if result["correlationid"] == correlation and ended:
                return message


async def main(url: str, authority: str, publisher: str, subscriber: str) -> None:
    """Publish, see the result; try what is not allowed."""
    writes = await _connect(url, authority, "publisher", publisher)
    reads = await _connect(url, authority, "subscriber", subscriber)
    # The consumer that the job `migrate` has made for this login, which may make none.
    results = await reads.jetstream().pull_subscribe_bind("subscriber", "RESULTS")
    event = {
        "specversion": "1.0",
        "id": str(uuid.uuid4()),
        "source": "/check/clients",
        "type": "io.quantum-suite.code-generation.requested.v1",
        "data": {"prompt": "Write a function that reverses a string"},
    }
    await writes.jetstream().publish(
        "events.code-generation.requested",
        json.dumps(event).encode(),
        headers={"Content-Type": "application/cloudevents+json"},
    )
    async with asyncio.timeout(_WITHIN):
        message = await _ended(results, event["id"])
    if not message.subject.endswith(".completed"):
        sys.exit(f"the pipeline ended with {message.subject}: {message.data.decode()}")
    for name, client in (("publisher", writes), ("subscriber", reads)):
        if not await _is_denied(client, "results.code-generation.completed"):
            sys.exit(f"{name} may write results")
    if not await _is_denied(reads, "events.code-generation.requested"):
        sys.exit("subscriber may write events")
    await writes.close()
    await reads.close()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:], *os.environ["NATS_USER_PASSWORDS"].split()))
