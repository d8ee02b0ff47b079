"""How far a source is behind its stream."""

import time
from dataclasses import dataclass

from bridge.errors import RequestRefused
from bridge.jetstream import api
from bridge.jetstream.api import ask, nanoseconds
from bridge.jetstream.client import BridgeClient
from bridge.settings.schema import NatsSettings, SourceSettings

_ANSWER_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Lag:
    """What a source holds that is not recorded yet."""

    messages: int
    seconds: float
    """How long the oldest of them has been in the stream."""


async def lag_of(client: BridgeClient, nats: NatsSettings, source: SourceSettings) -> Lag:
    """Return how far the consumer of a source is behind.

    Raises:
        RequestRefused: The server refuses to say.
        NotConnected: NATS is away.
    """
    stream = nats.stream(source.stream)
    info = await ask(client, f"CONSUMER.INFO.{stream}.{source.durable}", within=_ANSWER_SECONDS)
    messages = info.get("num_pending", 0) + info.get("num_ack_pending", 0)
    if not messages:
        return Lag(0, 0.0)
    after = info["ack_floor"]["stream_seq"] + 1
    wanted = {"seq": after, "next_by_subj": nats.subject(source.subject or ">")}
    try:
        oldest = await ask(client, f"STREAM.MSG.GET.{stream}", wanted, within=_ANSWER_SECONDS)
    except RequestRefused as error:
        if error.err_code == api.NO_MESSAGE:
            return Lag(0, 0.0)
        raise
    arrived = nanoseconds(oldest["message"]["time"]) / 1e9
    # By the server's clock, as is the message's time.
    now = nanoseconds(info["ts"]) / 1e9 if "ts" in info else time.time()
    return Lag(messages, max(0.0, now - arrived))
