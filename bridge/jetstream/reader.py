"""Reads the messages of a stream in order, whatever their headers are.

nats-py takes any message with a ``Status`` header for a control message and drops it or the whole
batch. `StreamReader` takes only messages without an ack subject for control messages. It holds at
most one batch in memory.
"""

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import suppress
from datetime import datetime
from typing import Any
from uuid import uuid4

from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error as NatsError
from nats.js import JetStreamContext
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy
from nats.js.errors import Error as JetStreamError
from nats.js.errors import NotFoundError

from bridge.errors import NotConnected
from bridge.jetstream.acks import ack_of, is_delivery
from bridge.jetstream.client import api_of

_BATCH = 500
_MAX_BYTES = 16 * 2**20
_STATUS_NOTHING = "404"
_SILENCE_SECONDS = 15.0
_LAG_SECONDS = 0.1
_INACTIVE_SECONDS = 60.0


class StreamReader:
    """Reads the messages of a stream once, in stream order.

    Args:
        client: A connected `bridge.jetstream.client.BridgeClient`.
        stream: The stream's name on the server.
        api: What the subjects of JetStream requests begin with; default: that of the client.
    """

    def __init__(self, client: Client, stream: str, api: str | None = None) -> None:
        self._client = client
        self._stream = stream
        self._api = api or api_of(client)

    async def read(
        self,
        *,
        first: int = 1,
        through: int,
        since: datetime | None = None,
        subject: str | None = None,
        headers_only: bool = False,
    ) -> AsyncGenerator[tuple[int, Msg]]:
        """Yield the messages between two sequences (both included), each with its sequence.

        Args:
            first: The first sequence.
            through: The last sequence; usually that of the stream's last message.
            since: Begin with the first message that the server stored at or after this time;
                ``first`` is ignored then.
            subject: Yield only messages that this subject filter covers, with the prefix.
            headers_only: Do not fetch the payloads.

        Raises:
            NotConnected: The connection is lost, or NATS does not answer.
        """
        if first > through:
            return
        js = self._client.jetstream(prefix=self._api)
        name = f"read-{uuid4().hex}"
        await js.add_consumer(
            self._stream,
            ConsumerConfig(
                name=name,
                deliver_policy=DeliverPolicy.BY_START_SEQUENCE
                if since is None
                else DeliverPolicy.BY_START_TIME,
                opt_start_seq=max(1, first) if since is None else None,
                opt_start_time=None if since is None else since.isoformat(),  # type: ignore[arg-type]
                ack_policy=AckPolicy.NONE,
                filter_subject=subject,
                headers_only=headers_only or None,
                mem_storage=True,
                inactive_threshold=_INACTIVE_SECONDS,
            ),
        )
        inbox = self._client.new_inbox()
        subscription = await self._client.subscribe(
            inbox, pending_msgs_limit=-1, pending_bytes_limit=-1
        )
        try:
            end = _End(js, self._stream, subject or ">", since, first - 1)
            async for sequence, message in self._pull(name, inbox, subscription.next_msg, end):
                if sequence > through:
                    return
                yield sequence, message
                if sequence == through:
                    return
        finally:
            with suppress(NatsError, JetStreamError, OSError, TimeoutError):
                await subscription.unsubscribe()
                await js.delete_consumer(self._stream, name)

    async def _pull(
        self, consumer: str, inbox: str, next_message: Any, end: "_End"
    ) -> AsyncGenerator[tuple[int, Msg]]:
        request = json.dumps(
            {"batch": _BATCH, "max_bytes": _MAX_BYTES, "no_wait": True}
        ).encode()
        api = f"{self._api}.CONSUMER.MSG.NEXT.{self._stream}.{consumer}"
        left, silent_since = 0, asyncio.get_running_loop().time()
        while True:
            if left == 0:
                await self._publish(api, request, inbox)
                left, silent_since = _BATCH, asyncio.get_running_loop().time()
            try:
                message = await next_message(timeout=1.0)
            except (NatsError, TimeoutError) as error:
                silent = asyncio.get_running_loop().time() - silent_since
                if self._client.is_closed or silent > _SILENCE_SECONDS:
                    raise NotConnected(
                        f"the stream {self._stream} could not be read to its end: {error!r}"
                    ) from error
                continue
            silent_since = asyncio.get_running_loop().time()
            if not is_delivery(message.reply):
                is_all = (message.headers or {}).get("Status") == _STATUS_NOTHING
                if is_all and await end.is_reached():
                    return
                left = 0  # the request ended at its byte limit or at the end: send the next
                continue
            left -= 1
            ack = ack_of(message.reply)
            yield ack.sequence, message
            end.reached = ack.sequence
            if ack.pending == 0:
                if await end.is_reached():
                    return
                left = 0

    async def _publish(self, subject: str, payload: bytes, inbox: str) -> None:
        try:
            await self._client.publish(subject, payload, reply=inbox)
        except (NatsError, OSError) as error:
            raise NotConnected(f"the connection to NATS was lost: {error!r}") from error


class _End:
    """Checks whether a consumer without pending messages has reached the end of the stream.

    The consumer's replica may lag behind the stream's leader, so this asks the leader.
    """

    def __init__(
        self,
        js: JetStreamContext,
        stream: str,
        subject: str,
        since: datetime | None,
        reached: int,
    ) -> None:
        self._js = js
        self._stream = stream
        self._subject = subject
        self._since = since
        self._waited = 0.0
        self.reached = reached
        """Sequence of the last delivered message."""

    async def is_reached(self) -> bool:
        """Return whether the end is reached; if not, wait a moment for the replica.

        Raises:
            NotConnected: The replica does not catch up in time.
        """
        try:
            last = await self._js.get_last_msg(self._stream, self._subject)
        except NotFoundError:
            return True
        is_before = (
            self._since is not None and last.time is not None and last.time < self._since
        )
        if is_before or (last.seq or 0) <= self.reached:
            return True
        if self._waited > _SILENCE_SECONDS:
            raise NotConnected(f"a replica of the stream {self._stream} lags behind its leader")
        self._waited += _LAG_SECONDS
        await asyncio.sleep(_LAG_SECONDS)
        return False
