"""The horizon: the time before which no event can come again from NATS.

A message that is still on a source stream may be delivered again, after a restore or to a consumer that
was created again; without the event's row it would be a new event. The bridge's own streams count
too, so that an erasure finds the copies of an event by its row for as long as there are any.
"""

from datetime import UTC, datetime, timedelta
from typing import Final

import msgspec

from bridge.errors import RequestRefused
from bridge.jetstream.api import NO_STREAM, ask, nanoseconds
from bridge.jetstream.client import BridgeClient
from bridge.settings.schema import NatsSettings, SourceSettings

_CLOCKS: Final = timedelta(hours=1)
"""The clocks of NATS and of the database may differ by this much."""


class Horizon(msgspec.Struct, frozen=True, kw_only=True):
    """The horizon, and the stream that has the oldest message.

    Attributes:
        before: Events recorded before it cannot come again from NATS; None: no stream has a message.
        stream: The stream with the oldest message.
    """

    before: datetime | None = None
    stream: str | None = None


async def horizon_of(
    client: BridgeClient, nats: NatsSettings, sources: tuple[SourceSettings, ...]
) -> Horizon:
    """Return the horizon of all source streams and of the bridge's own.

    Raises:
        RequestRefused: The server does not tell about a stream.
        NotConnected: NATS is unreachable.
    """
    streams = {nats.stream(name): nats.api for name in nats.streams.all}
    streams |= {nats.source_stream(each): nats.source_api(each) for each in sources}
    found = Horizon()
    for name, api in streams.items():
        try:
            state = (await ask(client, f"STREAM.INFO.{name}", api=api))["state"]
        except RequestRefused as error:
            if error.err_code == NO_STREAM:
                continue
            raise
        if not state["messages"]:
            continue
        oldest = datetime.fromtimestamp(nanoseconds(state["first_ts"]) / 1e9, UTC) - _CLOCKS
        if found.before is None or oldest < found.before:
            found = Horizon(before=oldest, stream=name)
    return found
