"""What can never be stored or relayed fails the emit at once, and every reader goes on."""

import re
import uuid
from collections.abc import AsyncIterator
from typing import Any

import pytest
from nats.aio.client import Client as NatsClient
from structlog.testing import capture_logs
from temporalio.client import Client, WorkflowFailureError
from temporalio.exceptions import ActivityError, ApplicationError

from bridge.dead_letters.store import DeadLetters, LetterFilter
from bridge.devstack.addresses import Addresses
from bridge.emit.activity import EmitActivities
from bridge.emit.message_limit import MessageLimit
from bridge.emit.service import Emit
from bridge.jetstream.connection import NatsConnection
from bridge.settings.schema import EmitSettings, TemporalSettings
from bridge.temporal import Gateway
from eventstore.database import Database
from eventstore.store import EventStore
from tests.integration.dead_letters.builders import emit as stored
from tests.integration.emit.test_emit import SHIPPED, working
from tests.support.daemon import Bridge
from tests.support.emitting import at_once, namespace
from tests.support.relays import passed, relaying

pytestmark = pytest.mark.slow

REFUSE = """
    create function refuse() returns trigger language plpgsql as $$
    begin raise exception 'no orders after midnight' using errcode = 'P0001', detail = new.data; end $$;
    create trigger refuse before insert on events for each row execute function refuse();
"""
CHECK = "alter table events add constraint small check (octet_length(data) < 3)"


@pytest.fixture
async def limited(
    bridge: Bridge,
    client: NatsClient,
    store: EventStore,
    stack: Addresses,
    temporal: Client,
    task_queue: str,
) -> AsyncIterator[str]:
    """Serve emits where the stream of results takes 2,500 bytes a message; the task queue."""
    settings, js = bridge.settings, client.jetstream()
    config = (await js.stream_info(settings.nats.stream("RESULTS"))).config
    config.max_msg_size = 2500
    await js.update_stream(config)
    connection = NatsConnection(settings.nats, "test")
    await connection.start()
    emit = Emit(
        EmitActivities(
            store,
            Gateway(temporal, TemporalSettings()),
            namespace,
            MessageLimit(connection, settings.nats).most,
            at_once,
        ),
        TemporalSettings(address=stack.temporal_address),
        EmitSettings(task_queue=f"{task_queue}-events"),
    )
    await emit.start()
    yield task_queue
    await emit.stop()
    await connection.stop()


async def failure(temporal: Client, task_queue: str, argument: Any) -> ApplicationError:
    """Emit from a workflow that tries again without end; return why it failed."""
    async with working(temporal, task_queue):
        with pytest.raises(WorkflowFailureError) as failed:
            await temporal.execute_workflow(
                "Foreign",
                args=[f"{task_queue}-events", "events.emit", [argument]],
                id=f"ship/{uuid.uuid4()}",
                task_queue=task_queue,
            )
    assert isinstance(failed.value.cause, ActivityError)
    assert isinstance(failed.value.cause.cause, ApplicationError)
    return failed.value.cause.cause


@pytest.mark.parametrize(
    ("prepare", "argument", "says"),  # what the database refuses, if anything
    [
        (REFUSE, {"type": SHIPPED, "data": "SECRET"}, "no orders after midnight"),
        (CHECK, {"type": SHIPPED, "data": "SECRET"}, "constraint .small."),
        (None, {"type": SHIPPED, "data": "x" * 3000}, "the event takes .* takes 2500"),
        (
            None,
            [{"type": SHIPPED}, {"type": SHIPPED, "data": "x" * 3000}],
            "event 1: the event",
        ),
        (None, {"type": SHIPPED, "extensions": {"x": 1.5}}, "'x' is a float"),
    ],
)
async def test_what_is_refused_for_good_fails_the_emit_at_once(
    limited: str,
    database: Database,
    store: EventStore,
    temporal: Client,
    prepare: str | None,
    argument: Any,
    says: str,
) -> None:
    if prepare is not None:
        async with database.connection() as raw:
            await raw.raw.execute(prepare)
    with capture_logs() as logs:
        error = await failure(temporal, limited, argument)
    assert error.non_retryable
    assert re.search(says, str(error))
    assert "SECRET" not in f"{error} {logs}"
    assert await store.head() == 0


async def test_one_row_that_cannot_be_sent_is_a_dead_letter_and_the_relay_goes_on(
    bridge: Bridge, client: NatsClient, database: Database, store: EventStore
) -> None:
    first = await stored(store, 1)
    await database.execute(
        """
        insert into events (stream, version, uid, emitted, type, digest, correlation_id,
                            correlation_uid, envelope)
        select 'odd-1', number, gen_random_uuid(), true, 'a.b.c', sha256('x'), 'x',
               gen_random_uuid(), json_build_object('id', 'odd' || number, 'source', '/odd',
                   'topic', 'results.b.c', 'extensions', extensions)
        from unnest(array['{"x": null}', '{"x": [1]}', '[]', '{"x": 1e30}']::jsonb[])
             with ordinality as odd (extensions, number)
        """
    )
    last = await stored(store, 2)
    assert len([event async for event in store.read_all()]) == 6
    async with store.subscribe() as subscription:
        batch = await anext(aiter(subscription.batches()))
        assert len(batch.events) == 6
    async with relaying(bridge, database, store) as (relay, _):
        await passed(relay, last.position)
    info = await client.jetstream().stream_info(f"{bridge.prefix}-RESULTS")
    assert info.state.messages == 2
    letters = await DeadLetters(database).find(LetterFilter(stage="relay"), 10)
    assert [letter.event_id for letter in reversed(letters)] == ["odd1", "odd2", "odd3", "odd4"]
    assert all("not a CloudEvent" in letter.reason for letter in letters)
    assert first.position < last.position
