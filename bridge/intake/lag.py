"""The lag of a source behind its stream."""

import time
from dataclasses import dataclass

from bridge.errors import RequestRefused
from bridge.jetstream.api import NO_MESSAGE, ask, nanoseconds
from bridge.jetstream.client import BridgeClient
from bridge.settings.schema import NatsSettings, SourceSettings

_ANSWER_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Lag:
    """The lag of a source behind its stream."""

    messages: int
    """Number of messages that are not acknowledged yet."""
    seconds: float
    """Age of the oldest of them."""


async def lag_of(client: BridgeClient, nats: NatsSettings, source: SourceSettings) -> Lag:
    """Return how far the consumer of a source is behind.

    Raises:
        RequestRefused: The server refuses the request.
        NotConnected: NATS is unavailable.
    """
    stream, api = nats.source_stream(source), nats.source_api(source)
    info = await ask(
        client, f"CONSUMER.INFO.{stream}.{source.durable}", within=_ANSWER_SECONDS, api=api
    )
    messages = info.get("num_pending", 0) + info.get("num_ack_pending", 0)
    if not messages:
        return Lag(0, 0.0)
    after = info["ack_floor"]["stream_seq"] + 1
    wanted = {"seq": after, "next_by_subj": nats.source_filter(source) or ">"}
    try:
        oldest = await ask(
            client, f"STREAM.MSG.GET.{stream}", wanted, within=_ANSWER_SECONDS, api=api
        )
    except RequestRefused as error:
        if error.err_code == NO_MESSAGE:
            return Lag(0, 0.0)
        raise
    arrived = nanoseconds(oldest["message"]["time"]) / 1e9
    # Use the server's clock, which also gave the message its time.
    now = nanoseconds(info["ts"]) / 1e9 if "ts" in info else time.time()
    return Lag(messages, max(0.0, now - arrived))
