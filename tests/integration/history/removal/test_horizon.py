"""The horizon follows the oldest message of all streams."""

from datetime import UTC, datetime, timedelta

import pytest
from nats.aio.client import Client

from bridge.history.removal.horizon import Horizon, horizon_of
from bridge.jetstream.connection import connect_once
from tests.support.daemon import Bridge
from tests.support.fixtures import bridge, client
from tests.support.publishing import event, structured

__all__ = ["bridge", "client"]

pytestmark = pytest.mark.slow


async def test_rows_stay_while_a_stream_has_a_message_as_old(
    bridge: Bridge, client: Client
) -> None:
    settings = bridge.settings
    connected = await connect_once(settings.nats, "test")
    try:
        sources = settings.intake.sources
        assert await horizon_of(connected, settings.nats, sources) == Horizon()
        before = datetime.now(UTC)
        await structured(client, bridge, event("io.quantum-suite.light.asked.v1", {}))
        found = await horizon_of(connected, settings.nats, sources)
        assert found.stream == f"{bridge.prefix}-EVENTS"
        assert found.before is not None
        # An hour is left for clocks that differ.
        assert abs(found.before + timedelta(hours=1) - before) < timedelta(minutes=1)
    finally:
        await connected.close()
