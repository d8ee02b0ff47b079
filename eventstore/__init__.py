"""An append-only event store on one Postgres database. It knows Postgres and nothing else.

::

    database = await Database.connect("postgresql://…")
    store = EventStore(database)
    await store.append("order-7", [NewEvent(event=Event(id="1", source="/shop", type="placed.v1"))])
    async with store.subscribe(after=checkpoint) as subscription:
        async for batch in subscription.batches():
            ...

An event is a CloudEvents 1.0 envelope. Its identity is the pair of ``source`` and ``id``, hashed into
a *uid*. It belongs to one *stream* (an ordered history, named ``<category>-<key>``), where its
*version* counts from 1; its *position* orders the whole store.

Order
-----

Within a stream, versions have no gaps and positions rise with versions: appends to one stream take
turns, by an advisory lock of their transaction. Over the store, positions rise in the order in which
they were *drawn*, which is not the order of commits, and have gaps where an append was undone. Who
reads the log once reads what is committed now; who follows it uses `EventStore.subscribe`, and
misses nothing (the argument is in `eventstore.subscription`).

Appending once
--------------

The uid is unique, so the same event is never stored twice, and what an append says about itself is
judged in this order, in the database, before anything is written or a position drawn:

1. All its events are there, in this stream, side by side, with the same bodies: it is a *duplicate*
   and gets the result of the first time, whatever the expected version is by now.
2. Some are there otherwise: `Conflict`, with ``body`` (another type or data), ``stream`` (the same
   event elsewhere) or ``partial`` (not the whole batch). White space between JSON tokens, the
   event's time and its extension attributes are not part of the body.
3. The stream is not as expected: `WrongExpectedVersion`, with the actual version.
4. It is written, all of it.

So the answer to every doubt is to append the same events again. In particular when a commit's
answer is lost (`Unavailable` with ``ambiguous``): the events may be stored or not, and the second
attempt finds out. Callers who join an append to a transaction of their own repeat the transaction.

Concurrency
-----------

Single appends that come together are written together (`eventstore.batching`): one statement,
one commit, a result for each. A batch takes its locks in the order of their keys, so batches do not
deadlock over streams; two batches that hold the same events for *different* streams in opposite
order can, and then one is undone and judged again, as a conflict. READ COMMITTED is required of
callers' transactions, and the unique keys stand behind everything.

What a crash leaves
-------------------

- *of this process*: nothing half-done; every append is one transaction. Callers that were waiting
  append again.
- *of the server*: every acknowledged append; perhaps some whose answers were lost; gaps in the
  positions, or positions drawn again that no committed event has had.
- *of a network*: connections that do not answer are given up after their deadline on both sides and
  never waited for (`eventstore.database`).

Immutability
------------

Recorded events are never changed nor removed: triggers that also fire for replicas refuse it to
everybody, the application's role may INSERT and SELECT only, and by column, so that it cannot
forge positions or times of recording. What must be corrected is corrected by another event; what
has changed its shape is brought into today's on read (`eventstore.upcasting`).

Where things are
----------------

=================  =================================================================
events, expected   the envelope and its identity; what an append may expect
rows, appending    envelopes to columns; one call of ``append_events``
coalescing         many callers, few commits
store, log         `EventStore`: appending, and the reading half
reading, filters   pages, and which index serves them
exporting          the log as a COPY stream
importing          a whole log from one, into an empty store
fence              how far the log is final
subscription       following it; checkpoints; the proof
announcing         NOTIFY beside the appends
leases             who may do something alone; epochs
database, pool     connections, kept and lent
dsn, connector     a connection string; which of its hosts is the primary
session            what each session is set to and checked for
connection         statements, transactions, deadlines
translation        the driver's errors into ours, by SQLSTATE
errors             one tree
migrate, sql       the schema, step by step; every statement in a file
=================  =================================================================
"""

from eventstore.appending import Appended, StreamAppend
from eventstore.database import Connection, Database
from eventstore.errors import (
    AppendRefused,
    CheckpointMismatch,
    Conflict,
    Contended,
    Deposed,
    EventStoreError,
    ForeignTable,
    HistoryLost,
    Immutable,
    ImportRefused,
    InvalidDsn,
    InvalidEvent,
    MigrationChanged,
    NotAdmitted,
    NotMigrated,
    ReadOnly,
    SchemaError,
    SchemaTooNew,
    StatementFailed,
    Unavailable,
    Unsuitable,
    WrongExpectedVersion,
)
from eventstore.events import Event, NewEvent, Origin, StoredEvent, uid
from eventstore.expected import Any, Exact, ExpectedVersion, NoStream, StreamExists
from eventstore.fence import FenceStatus, Holder
from eventstore.filters import Filter, category_of
from eventstore.leases import Lease, Leases
from eventstore.migrate import EVENTSTORE, Component, Migration, schema_state
from eventstore.statements import Statements
from eventstore.store import EventStore
from eventstore.subscription import Batch, Checkpoints, Subscription
from eventstore.upcasting import Upcasters

__all__ = [
    "EVENTSTORE",
    "Any",
    "AppendRefused",
    "Appended",
    "Batch",
    "CheckpointMismatch",
    "Checkpoints",
    "Component",
    "Conflict",
    "Connection",
    "Contended",
    "Database",
    "Deposed",
    "Event",
    "EventStore",
    "EventStoreError",
    "Exact",
    "ExpectedVersion",
    "FenceStatus",
    "Filter",
    "ForeignTable",
    "HistoryLost",
    "Holder",
    "Immutable",
    "ImportRefused",
    "InvalidDsn",
    "InvalidEvent",
    "Lease",
    "Leases",
    "Migration",
    "MigrationChanged",
    "NewEvent",
    "NoStream",
    "NotAdmitted",
    "NotMigrated",
    "Origin",
    "ReadOnly",
    "SchemaError",
    "SchemaTooNew",
    "StatementFailed",
    "Statements",
    "StoredEvent",
    "StreamAppend",
    "StreamExists",
    "Subscription",
    "Unavailable",
    "Unsuitable",
    "Upcasters",
    "WrongExpectedVersion",
    "category_of",
    "schema_state",
    "uid",
]
