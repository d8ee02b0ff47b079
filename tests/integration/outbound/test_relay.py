"""The relay, interrupted again and again."""

from nats.aio.client import Client

from bridge.outbound.chain import POSITION_HEADER
from eventstore.database import Database
from eventstore.store import EventStore
from tests.integration.dead_letters.builders import emit
from tests.support.daemon import Bridge
from tests.support.relays import passed, relaying

INTERRUPTIONS = 4


async def test_interrupted_it_goes_on_and_leaves_no_subscription_behind(
    bridge: Bridge, client: Client, database: Database, store: EventStore
) -> None:
    emitted = [await emit(store, 0)]
    async with relaying(bridge, database, store) as (relay, connection):
        await passed(relay, emitted[0].position)
        own = await connection.client()
        subscriptions = len(own._subs)  # noqa: SLF001 - the server does not count them for one
        for number in range(1, INTERRUPTIONS + 1):
            # Somebody else's message takes the place of the next one: it is refused once.
            await client.jetstream().publish(f"{bridge.prefix}.results.a.b", b"not the relay's")
            emitted.append(await emit(store, number))
            await passed(relay, emitted[-1].position)
        assert len(own._subs) == subscriptions  # noqa: SLF001
    assert await relayed(client, bridge) == [each.position for each in emitted]


async def relayed(client: Client, bridge: Bridge) -> list[int]:
    """The positions of the relay's own messages, in the order of the stream."""
    js, stream = client.jetstream(), f"{bridge.prefix}-RESULTS"
    last = (await js.stream_info(stream)).state.last_seq
    headers = [(await js.get_msg(stream, each)).headers or {} for each in range(1, last + 1)]
    return [int(each[POSITION_HEADER]) for each in headers if POSITION_HEADER in each]
