"""The composition root: the only module where the daemon's concrete parts meet."""

import os
import socket
from uuid import uuid4

from bridge.closures.tracker import Closures
from bridge.daemon.observability import Observability
from bridge.dead_letters.publisher import DeadLetterNotices
from bridge.dispatch.dispatcher import Dispatcher
from bridge.dispatch.ledger import Ledger
from bridge.emit.activity import EmitActivities
from bridge.emit.identity import EmitIdentity
from bridge.emit.message_limit import MessageLimit
from bridge.emit.service import Emit
from bridge.evaluation import Evaluator
from bridge.health.probes import Parts
from bridge.history.retention import Retention
from bridge.intake.consumer import Consumer
from bridge.intake.decision import Judge
from bridge.intake.pipeline import Intake
from bridge.intake.progress import SourceProgress
from bridge.intake.recorder import Recorder
from bridge.jetstream.connection import NatsConnection
from bridge.lifecycle.leadership import Leadership
from bridge.lifecycle.lease_names import CLOSURES, DEAD_LETTER_NOTICES, RELAY, source_lease
from bridge.lifecycle.services import Service
from bridge.relay.relay import Relay
from bridge.routes.live import LiveRoutes
from bridge.settings.schema import Settings
from bridge.temporal import connect
from bridge.temporal.renewal import TemporalRenewal
from eventstore.database import Database
from eventstore.leases import Leases
from eventstore.store import EventStore


async def daemon(
    settings: Settings,
    routes: LiveRoutes,
    database: Database,
    store: EventStore,
    observability: Observability,
) -> list[Service]:
    """Build the daemon's parts; return them in the order in which they start."""
    owner = f"{socket.gethostname()}:{os.getpid()}:{uuid4().hex[:8]}"
    telemetry = observability.telemetry
    connection = NatsConnection(settings.nats, "ntbridge", lambda: telemetry.restarted("nats"))
    renewal = TemporalRenewal(settings.temporal, observability.core.runtime)
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
                connection, settings.nats, source, settings.intake, SourceProgress(database)
            ),
            recorder,
            Leadership(leases, source_lease(source.name), owner),
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
        Leadership(leases, RELAY, owner),
        telemetry,
    )
    emit = Emit(
        EmitActivities(
            store,
            gateway,
            EmitIdentity(database).namespace,
            MessageLimit(connection, settings.nats).most,
            evaluator.work,
        ),
        settings.temporal,
        settings.emit,
        observability.core.runtime,
        observability.interceptors,
    )
    renewal.renew_for(gateway.use, emit.use)
    closures = Closures(
        database,
        store,
        gateway,
        settings.temporal.namespace,
        settings.type_prefix,
        settings.closures,
        evaluator.work,
        Leadership(leases, CLOSURES, owner),
    )
    notices = DeadLetterNotices(
        connection,
        database,
        store,
        settings.nats,
        settings.type_prefix,
        Leadership(leases, DEAD_LETTER_NOTICES, owner),
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
        renewal,
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
