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
they were *drawn*, which is not the order of commits, and have gaps where an append was rolled back. A
read returns what is committed now. A reader that follows the log uses `EventStore.subscribe`, which
misses nothing (the proof is in `eventstore.subscription`).

Appending once
--------------

The uid is unique, so the same event is never stored twice. The database judges an append in this
order, before anything is written or a position drawn:

1. All its events are stored, in this stream, side by side, with the same bodies: it is a *duplicate*
   and returns the first result, whatever the expected version is by now.
2. Some are stored in another way: `Conflict`, with ``body`` (another type or data), ``stream`` (the same
   event elsewhere) or ``partial`` (not the whole batch). White space between JSON tokens, the
   event's time and its extension attributes are not part of the body.
3. The stream is not as expected: `WrongExpectedVersion`, with the actual version.
4. All its events are written.

So when in doubt, append the same events again. In particular when the answer to a commit is lost
(`Unavailable` with ``ambiguous``): the events may be stored or not, and the second attempt finds out. Callers who join an append to a transaction of their own repeat the transaction.

Concurrency
-----------

Concurrent single appends are written together (`eventstore.batching`): one statement,
one commit, a result for each. A batch takes its locks in the order of their keys, so batches do not
deadlock over streams; two batches that hold the same events for *different* streams in opposite
order can, and then one is rolled back and judged again, as a conflict. Callers' transactions must be
READ COMMITTED. The unique keys guard all of this.

What a crash leaves
-------------------

- *of this process*: no partial append, because every append is one transaction. Callers that were
  waiting append again.
- *of the server*: every acknowledged append; perhaps some whose answers were lost; gaps in the
  positions, or positions drawn again that no committed event has had.
- *of a network*: each side abandons a connection that does not answer after its deadline
  (`eventstore.database`).

Immutability
------------

Recorded events are never changed or deleted: triggers that also fire for replicas refuse it for
every role. The application's role may only INSERT and SELECT, by column, so that it cannot forge
positions or times of recording. Corrections are new events. Events of an older schema version are
converted on read (`eventstore.upcasting`).

The row
-------

Every index costs each append, so a column is what an index answers: position, uid, stream and version,
type, origin, time, correlation, causation. All other attributes are one JSON text, the *envelope*, and the
data is its own bytes. A filter of these attributes (source, subject, topic, tenant, category) reads the
rows between two positions, in windows that take a fraction of a second each (`eventstore.paging`), unless
an operator has made an index for it. Sources are listed in a table of their own, because an event's uid
follows from source and id: an id is looked up with each of them. The body of an event (data, envelope)
can be removed, and its row stays with its place, links and digest: a *tombstone*.

Where things are
----------------

=================  =================================================================
events, validity   the envelope and its identity; what can be stored
json_data          JSON that all parsers read alike
expected           the expected version of an append
rows, appending    events to columns and back; one call of ``append_events``
batching           concurrent appends in few commits
store, reader      `EventStore`: appending; `EventLog`: reading
paging, filters    pages, and which index serves them
upcasting          events of older schema versions, converted on read
copy_out, copy_in  the log as a COPY stream; a whole log into an empty store
indexes            indexes that an operator adds
stall_timeout      a deadline on progress, for COPY
fence              how far the log is final
subscription       following the log; checkpoints; the proof
announcer          NOTIFY after appends
leases             exclusive work; epochs
database, pool     connections
dsn, connector     the connection string; which of its hosts is the primary
session            the settings and checks of each session
connection         statements, transactions, deadlines
driver_errors      the driver's errors into the store's, by SQLSTATE
errors             one tree
migrate, sql       the schema, by numbered migrations; every statement in a file
statements         loads the SQL files
=================  =================================================================
"""

from eventstore.appending import Appended
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
    IndexRefused,
    InvalidDsn,
    InvalidEvent,
    MigrationChanged,
    NotAdmitted,
    NotMigrated,
    ReadOnly,
    SchemaError,
    SchemaTooNew,
    SchemaTooOld,
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
from eventstore.prepared import StreamAppend
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
    "IndexRefused",
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
    "SchemaTooOld",
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
