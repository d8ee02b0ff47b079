"""An append-only event store on Postgres."""

from eventstore.appending import Appended, StreamAppend
from eventstore.database import Connection, Database
from eventstore.errors import (
    AppendRefused,
    CheckpointMismatch,
    Conflict,
    Contended,
    Deposed,
    EventStoreError,
    Immutable,
    InvalidEvent,
    MigrationChanged,
    NotMigrated,
    SchemaError,
    SchemaTooNew,
    StatementFailed,
    Unavailable,
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
    "Holder",
    "Immutable",
    "InvalidEvent",
    "Lease",
    "Leases",
    "Migration",
    "MigrationChanged",
    "NewEvent",
    "NoStream",
    "NotMigrated",
    "Origin",
    "SchemaError",
    "SchemaTooNew",
    "StatementFailed",
    "Statements",
    "StoredEvent",
    "StreamAppend",
    "StreamExists",
    "Subscription",
    "Unavailable",
    "Upcasters",
    "WrongExpectedVersion",
    "category_of",
    "schema_state",
    "uid",
]
