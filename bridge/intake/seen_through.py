"""Notices messages of a source with a subject filter that were removed before they were recorded.

Without a filter, a gap in the sequences of deliveries is the range that was removed. With one, the
sequences in between belong to other subjects. So a source stores, whenever it has caught up, the last
sequence of its stream: every message of the source up to there is recorded. If the stream begins later
than that when it is next looked at, messages in between were removed, and some may have been the
source's.

Only for streams with limits retention: from others, messages of other subjects leave whenever their
consumers have acknowledged them.
"""

import asyncio
from datetime import datetime
from typing import Any

from nats.js.api import RetentionPolicy

from bridge.errors import RequestRefused
from bridge.intake.placement import Removed, removed_before
from bridge.intake.progress import ProgressStore, Tenure
from bridge.jetstream.api import ask
from bridge.jetstream.client import BridgeClient
from bridge.settings.schema import NatsSettings, SourceSettings

_LOOK_EVERY_SECONDS = 10.0


class SeenThrough:
    """Looks how far a source with a subject filter has come in its stream. Used by one task.

    Args:
        nats: The prefix of streams and subjects.
        source: The stream and its subject filter.
        progress: Stores how far the source is recorded.
    """

    def __init__(
        self, nats: NatsSettings, source: SourceSettings, progress: ProgressStore
    ) -> None:
        self._nats = nats
        self._source = source
        self._progress = progress
        self._next_look = 0.0
        self._saved = 0
        self._was_behind = False

    def begin(self) -> None:
        """Forget what was seen through an earlier attachment."""
        self._next_look, self._saved, self._was_behind = 0.0, 0, False

    async def look(
        self, client: BridgeClient, created: datetime, recorded: int, tenure: Tenure
    ) -> Removed | None:
        """Store how far the source has come, if it is time; return messages that were removed.

        Call it when every delivery up to ``recorded`` is recorded.

        Args:
            client: A connected client.
            created: When the stream was created.
            recorded: The last recorded sequence.
            tenure: The lease under which the source is read.

        Raises:
            NotConnected: NATS is unavailable.
            Deposed: The lease is lost.
            Unavailable: The database is unavailable.
        """
        now = asyncio.get_running_loop().time()
        if self._source.subject is None or now < self._next_look:
            return None
        self._next_look = now + _LOOK_EVERY_SECONDS
        try:
            # In this order: what the consumer has delivered is at least as new as the stream's end.
            stream = await self._ask(client, f"STREAM.INFO.{self._stream}")
            consumer = await self._ask(
                client, f"CONSUMER.INFO.{self._stream}.{self._source.durable}"
            )
        except RequestRefused:
            # The stream or the consumer was deleted; the next attachment says so.
            return None
        if stream["config"].get("retention", RetentionPolicy.LIMITS) != RetentionPolicy.LIMITS:
            return None
        delivered = consumer["delivered"]["stream_seq"]
        if not consumer.get("num_pending", 0) and delivered <= recorded:
            self._was_behind = False
            through = max(stream["state"]["last_seq"], recorded)
            if through != self._saved:
                await self._progress.save_seen(self._source, created, through, tenure)
                self._saved = through
            return None
        # A message that has just been stored also makes the source seem behind.
        was_behind, self._was_behind = self._was_behind, True
        if not was_behind:
            return None
        seen = max(delivered, recorded, self._saved)
        return removed_before(created, seen, stream["state"]["first_seq"])

    @property
    def _stream(self) -> str:
        return self._nats.source_stream(self._source)

    async def _ask(self, client: BridgeClient, request: str) -> dict[str, Any]:
        return await ask(client, request, api=self._nats.source_api(self._source))
