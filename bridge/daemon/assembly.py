"""The composition root: the only place where the daemon's concrete parts meet."""

import os
import socket
from dataclasses import dataclass
from uuid import uuid4

import structlog

from bridge.closures.tracker import Closures
from bridge.daemon.observability import Observability
from bridge.dead_letters.publisher import DeadLetterNotices
from bridge.dispatch.dispatcher import Dispatcher
from bridge.dispatch.ledger import Ledger
from bridge.emit.activity import EmitActivities
from bridge.emit.identity import EmitIdentity
from bridge.emit.message_limit import MessageLimit
from bridge.emit.service import Emit
from bridge.errors import SettingsError
from bridge.evaluation import Evaluator
from bridge.health.probes import Parts
from bridge.history.retention import Retention
from bridge.intake.consumer import Consumer
from bridge.intake.decision import Judge
from bridge.intake.pipeline import Intake
from bridge.intake.recorder import Recorder
from bridge.jetstream.connection import Connection, connect_once
from bridge.jetstream.own_streams import (
    declare_consumers,
    declare_streams,
    used_streams,
)
from bridge.jetstream.stream_options import allow_batches
from bridge.lifecycle.leadership import Leadership
from bridge.lifecycle.services import Service
from bridge.relay.relay import Relay
from bridge.routes.live import LiveRoutes
from bridge.settings.schema import Settings
from bridge.sql.storage import COMPONENTS
from bridge.temporal import connect
from eventstore.database import Database
from eventstore.leases import Leases
from eventstore.migrate import migrate
from eventstore.store import EventStore

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Prepared:
    """What was missing and has been made."""

    migrations: tuple[str, ...]
    streams: tuple[str, ...]
    consumers: tuple[str, ...]
    search_attributes: tuple[str, ...]


async def prepare(settings: Settings) -> Prepared:
    """Make what the bridge needs and does not find: tables, streams, search attributes.

    Raises:
        SettingsError: A search attribute is registered with a type that the bridge cannot use.
        StreamNotMadeError: NATS refuses to make a stream.
    """
    migrations = await migrate(settings.database.url, COMPONENTS)
    client = await connect_once(settings.nats, "ntbridge migrate")
    try:
        plans = used_streams(settings)
        streams = await declare_streams(client.jetstream(), settings.nats, plans)
        batched = await allow_batches(
            client, [settings.nats.stream(name) for name in (settings.relay.stream, "REPLAY")]
        )
        streams += [f"{name}: allow_atomic" for name in batched if name not in streams]
        consumers = await declare_consumers(client.jetstream(), settings.nats, plans)
    finally:
        await client.close()
    gateway = await connect(settings.temporal)
    attributes = await gateway.register_search_attributes()
    registered = await gateway.search_attributes()
    if registered.mistyped:
        raise SettingsError(
            f"search attributes of Temporal's namespace {settings.temporal.namespace} have the wrong "
            f"type: {registered.faults}; {registered.to_do}"
        )
    return Prepared(
        tuple(str(each) for each in migrations),
        tuple(streams),
        tuple(consumers),
        tuple(attributes),
    )


async def daemon(
    settings: Settings,
    routes: LiveRoutes,
    database: Database,
    store: EventStore,
    observability: Observability,
) -> list[Service]:
    """Return the daemon's parts in the order in which they start."""
    owner = f"{socket.gethostname()}:{os.getpid()}:{uuid4().hex[:8]}"
    telemetry = observability.telemetry
    connection = Connection(settings.nats, "ntbridge", lambda: telemetry.restarted("nats"))
    gateway = await connect(settings.temporal, observability.core.runtime)
    leases = Leases(database)
    ledger = Ledger(database, store, owner, closures=settings.closures.enabled)
    dispatcher = Dispatcher(
        ledger,
        leases,
        owner,
        gateway,
        settings.dispatch,
        routes.route,
        telemetry,
    )
    recorder = Recorder(database, store)
    evaluator = Evaluator(telemetry=telemetry)
    intakes = [
        Intake(
            source,
            Consumer(
                connection, settings.nats, source, settings.intake, recorder.last_recorded
            ),
            recorder,
            Leadership(leases, f"source/{source.name}", owner),
            Judge(evaluator, lambda: routes.table, settings.intake.max_hops),
            settings.intake,
            dispatcher,
            telemetry,
        )
        for source in settings.intake.sources
    ]
    relay = Relay(
        connection,
        database,
        store,
        settings.nats,
        settings.relay,
        Leadership(leases, "relay", owner),
        telemetry,
    )
    emit = Emit(
        EmitActivities(
            store,
            gateway,
            EmitIdentity(database).namespace,
            MessageLimit(connection, settings.nats, settings.relay).most,
            evaluator.work,
        ),
        settings.temporal,
        settings.emit,
        observability.core.runtime,
        observability.interceptors,
    )
    closures = Closures(
        database,
        store,
        gateway,
        settings.temporal.namespace,
        settings.closures,
        evaluator.work,
        Leadership(leases, "closures", owner),
    )
    notices = DeadLetterNotices(
        connection,
        database,
        store,
        settings.nats,
        Leadership(leases, "dead-letter-notices", owner),
    )
    retention = Retention(database, settings.retention)
    observability.monitor.over(
        Parts(
            settings=settings,
            owner=owner,
            connection=connection,
            gateway=gateway,
            database=database,
            store=store,
            routes=routes,
            intakes=intakes,
            dispatcher=dispatcher,
            services=[
                *(dispatcher.ownership, dispatcher, relay, emit),
                *(closures, notices, retention),
            ],
        )
    )
    return [
        connection,
        routes,
        evaluator,
        dispatcher.ownership,
        dispatcher,
        *intakes,
        relay,
        emit,
        closures,
        notices,
        retention,
    ]
