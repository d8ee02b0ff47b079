"""The composition root: the only module where the daemon's concrete parts meet."""

import os
import socket
from uuid import uuid4

from bridge.closures.event import RunsIn
from bridge.closures.tracker import Closures
from bridge.daemon.observability import Observability
from bridge.dead_letters.publisher import DeadLetterNotices
from bridge.dispatch.dataref import DatarefReader
from bridge.dispatch.dispatcher import Dispatcher
from bridge.dispatch.dispatchers import Dispatchers
from bridge.dispatch.ledger import Ledger
from bridge.dispatch.notices import PlanNotices
from bridge.dispatch.ownership import Ownership
from bridge.dispatch.permits import Permits
from bridge.dispatch.slot_keeper import SlotKeeper
from bridge.dispatch.throttle import Throttle
from bridge.dispatch.window_closer import WindowCloser
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
from bridge.lifecycle.lease_names import (
    DEAD_LETTER_NOTICES,
    RELAY,
    closures_lease,
    slots_lease,
    source_lease,
)
from bridge.lifecycle.services import Service
from bridge.pauses import Pauses, PauseWatch
from bridge.relay.relay import Relay
from bridge.routes.live import LiveRoutes
from bridge.settings.schema import Settings
from bridge.temporal import connect_each
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
    gateways = await connect_each(settings.temporal, observability.core.runtime)
    renewals = [
        TemporalRenewal(temporal, observability.core.runtime, namespace)
        for namespace, temporal in settings.temporal.each.items()
    ]
    leases = Leases(database)
    ownership = Ownership(database, owner)
    permits = Permits(leases, owner)
    throttle = Throttle(routes.route, permits, ownership.is_certain)
    paused = PauseWatch(Pauses(database))
    data = DatarefReader(settings.dataref)
    dispatchers = Dispatchers(
        [
            Dispatcher(
                Ledger(
                    database,
                    store,
                    owner,
                    closures=settings.closures.enabled,
                    namespace=namespace,
                ),
                ownership,
                gateway,
                settings.dispatch,
                throttle,
                telemetry,
                paused,
                data,
            )
            for namespace, gateway in gateways.items()
        ],
        lambda: ownership.active,
    )
    windows = WindowCloser(database, lambda: ownership.active, dispatchers.wake)
    dispatchers.planned = windows.look_again
    notices_of_plans = PlanNotices(database, lambda: ownership.active, dispatchers.wake_all)
    dispatchers.announce = notices_of_plans.announce
    recorder = Recorder(database, store)
    evaluator = Evaluator(telemetry=telemetry)
    intakes = [
        Intake(
            Consumer(
                connection, settings.nats, source, settings.intake, SourceProgress(database)
            ),
            recorder,
            Leadership(leases, source_lease(source.name), owner),
            Judge(evaluator, lambda: routes.table, settings.intake.max_hops),
            settings.intake,
            dispatchers,
            telemetry,
            paused,
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
    identity, limit = (
        EmitIdentity(database),
        MessageLimit(connection, settings.nats),
    )
    emits = [
        Emit(
            EmitActivities(
                store, gateways[namespace], identity.namespace, limit.most, evaluator.work
            ),
            temporal,
            settings.emit,
            observability.core.runtime,
            observability.interceptors,
            namespace,
        )
        for namespace, temporal in settings.temporal.each.items()
    ]
    for renewal, gateway, emit in zip(renewals, gateways.values(), emits, strict=True):
        renewal.renew_for(gateway.use, emit.use)
    closures = [
        Closures(
            database,
            store,
            gateways[namespace],
            RunsIn(temporal.namespace, settings.type_prefix, namespace),
            settings.closures,
            evaluator.work,
            limit.most,
            Leadership(leases, closures_lease(namespace), owner),
        )
        for namespace, temporal in settings.temporal.each.items()
    ]
    for each in closures:
        each.wakes(dispatchers.wake)
    keepers = [
        SlotKeeper(
            database,
            gateway,
            Leadership(leases, slots_lease(namespace), owner),
            namespace,
            dispatchers.wake,
        )
        for namespace, gateway in gateways.items()
    ]
    notices: list[DeadLetterNotices] = []
    if settings.nats.streams.dead_letters is not None:
        leadership = Leadership(leases, DEAD_LETTER_NOTICES, owner)
        notices.append(
            DeadLetterNotices(
                connection, database, store, settings.nats, settings.type_prefix, leadership
            )
        )
    retention = Retention(database, settings.retention)
    observability.monitor.over(
        Parts(
            settings=settings,
            owner=owner,
            connection=connection,
            gateways=gateways,
            database=database,
            store=store,
            routes=routes,
            intakes=intakes,
            dispatchers=dispatchers,
            permits=permits,
            services=[
                *(paused, ownership, permits, *dispatchers, windows, notices_of_plans),
                *(relay, *emits),
                *(*closures, *keepers, *notices, retention),
            ],
        )
    )
    return [
        connection,
        *renewals,
        routes,
        evaluator,
        paused,
        ownership,
        permits,
        *dispatchers,
        windows,
        notices_of_plans,
        *intakes,
        relay,
        *emits,
        *closures,
        *keepers,
        *notices,
        retention,
    ]
