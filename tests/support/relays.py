"""A relay in the test's own process."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from bridge.jetstream import Connection
from bridge.leadership import Leadership
from bridge.outbound.relay import Relay
from eventstore.database import Database
from eventstore.leases import Leases
from eventstore.store import EventStore
from tests.support.daemon import Bridge
from tests.support.waiting import eventually


@asynccontextmanager
async def relaying(
    bridge: Bridge, database: Database, store: EventStore
) -> AsyncIterator[tuple[Relay, Connection]]:
    """Run a relay of a bridge over a connection of its own."""
    settings = bridge.settings
    connection = Connection(settings.nats, "test")
    leadership = Leadership(Leases(database), "relay", "test")
    relay = Relay(connection, database, store, settings.nats, settings.relay, leadership)
    await connection.start()
    await relay.start()
    try:
        yield relay, connection
    finally:
        await relay.stop()
        await connection.stop()


async def passed(relay: Relay, position: int, within: float = 15) -> None:
    """Wait until the relay has come past a position."""
    await eventually(
        lambda: relay.position >= position, within=within, what=f"relayed to {position}"
    )
