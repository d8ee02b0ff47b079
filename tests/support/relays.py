"""A relay in the test's own process."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from bridge.history.removal.archive import Bodies
from bridge.jetstream.connection import NatsConnection, connect_once
from bridge.lifecycle.leadership import Leadership
from bridge.relay.rebuild import Rebuilder
from bridge.relay.relay import Relay
from eventstore.database import Database
from eventstore.leases import Leases
from eventstore.store import EventStore
from tests.support.daemon import Bridge
from tests.support.waiting import eventually


@asynccontextmanager
async def relaying(
    bridge: Bridge, database: Database, store: EventStore
) -> AsyncIterator[tuple[Relay, NatsConnection]]:
    """Run a relay of a bridge over a connection of its own."""
    settings = bridge.settings
    connection = NatsConnection(settings.nats, "test")
    leadership = Leadership(Leases(database), "relay", "test")
    relay = Relay(connection, database, store, settings.nats, settings.relay, leadership)
    await connection.start()
    await relay.start()
    try:
        yield relay, connection
    finally:
        await relay.stop()
        await connection.stop()


async def passed(relay: Relay, position: int, within: float = 60) -> None:
    """Wait until the relay has come past a position."""
    await eventually(
        lambda: relay.position >= position, within=within, what=f"relayed to {position}"
    )


async def rebuild(
    bridge: Bridge,
    database: Database,
    store: EventStore,
    through: int,
    advanced: Callable[[int], None] = lambda _: None,
) -> int:
    """Make the stream of results anew from the store, as ``ntbridge verify --rebuild`` does."""
    settings = bridge.settings
    client = await connect_once(settings.nats, "test")
    try:
        rebuilder = Rebuilder(
            client,
            database,
            store,
            settings.nats,
            settings.relay,
            bodies=Bodies(database).restored,
            who="tester",
            advanced=advanced,
        )
        return await rebuilder.rebuild(0, through)
    finally:
        await client.close()
