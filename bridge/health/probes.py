"""One probe of all that a running daemon needs. It has time limits, and never raises."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from bridge.dispatch.dispatchers import Dispatchers
from bridge.dispatch.permits import Permits
from bridge.errors import AttachError
from bridge.health import nats_probes, postgres_probes, temporal_probes
from bridge.health.certificates import look_at_certificates
from bridge.health.nats_probes import NATS_SECONDS
from bridge.health.snapshot import (
    NamespaceState,
    Problem,
    Snapshot,
    SourceState,
    StreamState,
)
from bridge.intake.pipeline import Intake
from bridge.jetstream.client import BridgeClient
from bridge.jetstream.connection import CLIENT_FAULTS, NatsConnection, words
from bridge.jetstream.own_streams import used_streams
from bridge.lifecycle.services import TaskService
from bridge.routes.live import LiveRoutes
from bridge.routes.table import RouteTable
from bridge.settings.schema import Settings
from bridge.temporal import Gateway
from eventstore.database import Database
from eventstore.store import EventStore


@dataclass(frozen=True, kw_only=True)
class Parts:
    """The parts of a running daemon that are probed."""

    settings: Settings
    owner: str
    """The owner of the daemon's leases."""
    connection: NatsConnection
    gateways: Mapping[str, Gateway]
    """To each namespace, as plans call them."""
    database: Database
    store: EventStore
    routes: LiveRoutes
    intakes: Sequence[Intake]
    dispatchers: Dispatchers
    permits: Permits
    services: Sequence[TaskService]
    """The parts that report why they cannot do their work (`TaskService.problem`)."""


async def look(parts: Parts, before: Snapshot | None = None) -> Snapshot:
    """Probe everything once; where ``before`` is given, take what changes slowly from it."""
    known = {} if before is None else {each.name: each for each in before.namespaces}
    snapshot, postgres, (default, *others) = await asyncio.gather(
        _nats(parts),
        postgres_probes.probe(parts.database, parts.store, parts.settings.database),
        look_at_namespaces(parts.gateways, parts.settings, parts.routes.table, known),
    )
    return replace(
        snapshot,
        postgres=postgres.postgres,
        schema=postgres.schema,
        schema_is_newer=postgres.schema_is_newer,
        server=postgres.server,
        database_time=postgres.now,
        store=postgres.store,
        temporal=default.problem,
        attributes=default.attributes,
        queues=default.queues,
        others=tuple(others),
        parts={each.name: each.problem for each in parts.services if each.problem},
        certificates=look_at_certificates(parts.settings),
    )


async def look_at_namespaces(
    gateways: Mapping[str, Gateway],
    settings: Settings,
    routes: RouteTable,
    known: Mapping[str, NamespaceState],
) -> list[NamespaceState]:
    """Return the states of all namespaces; what changes slowly is from ``known`` if it is there."""
    return await asyncio.gather(
        *(
            look_at_namespace(gateway, settings, name, routes, known.get(name))
            for name, gateway in gateways.items()
        )
    )


async def look_at_namespace(
    gateway: Gateway,
    settings: Settings,
    name: str,
    routes: RouteTable,
    before: NamespaceState | None = None,
) -> NamespaceState:
    """Return the state of a namespace: whether it answers, its search attributes and task queues.

    Args:
        gateway: The gateway to the namespace.
        settings: All settings.
        name: The namespace, as plans call it.
        routes: The routes to all namespaces.
        before: An earlier state, from which to take what changes slowly.
    """
    problem = await temporal_probes.probe_namespace(gateway, settings.temporal.each[name], name)
    if problem is not None:
        return NamespaceState(name, problem)
    if before is not None and before.problem is None:
        return replace(before, problem=None)
    mine = routes.within(name)
    attributes, queues = await asyncio.gather(
        temporal_probes.probe_attributes(gateway, mine.search_attributes),
        temporal_probes.probe_queues(gateway, mine.task_queues, name),
    )
    return NamespaceState(name, None, attributes, queues)


async def look_at_streams(
    client: BridgeClient, settings: Settings, sources: Sequence[SourceState]
) -> tuple[StreamState, ...]:
    """Return the states of the streams that the bridge reads or publishes to."""
    own = [
        await nats_probes.probe_own_stream(client, settings.nats, plan)
        for plan in used_streams(settings)
    ]
    names = {each.name for each in own}
    return (
        *own,
        *(each.stream for each in sources if each.stream and each.stream.name not in names),
    )


async def _nats(parts: Parts) -> Snapshot:
    settings = parts.settings
    try:
        client = await parts.connection.client(NATS_SECONDS)
    except CLIENT_FAULTS as error:
        reason = parts.connection.problem or words(error)
        return Snapshot(nats=nats_probes.nats_problem(settings.nats, reason))
    problem = await nats_probes.probe_server(client, settings.nats)
    if problem is not None:
        if parts.connection.problem is not None:
            problem = nats_probes.nats_problem(settings.nats, parts.connection.problem)
        return Snapshot(nats=problem)
    sources = await asyncio.gather(*(_source(client, parts, each) for each in parts.intakes))
    return Snapshot(
        sources=tuple(sources),
        streams=await look_at_streams(client, settings, sources),
        jetstream=await nats_probes.probe_jetstream(client),
    )


async def _source(client: BridgeClient, parts: Parts, intake: Intake) -> SourceState:
    """Return the state of a source; where this daemon leads, with its own view."""
    seen = await nats_probes.probe_source(client, parts.settings.nats, intake.source)
    if not intake.leads:
        return seen
    seen = replace(seen, led=True, held_back=intake.held_back)
    if seen.problem is None and isinstance(refused := intake.attach_problem, AttachError):
        return replace(seen, problem=Problem(f"not attached: {refused}", refused.to_do))
    if seen.problem is None and intake.problem is not None:
        to_do = "see the log for intake.not_connected or intake.store_unavailable; the daemon retries"
        return replace(seen, problem=Problem(f"nothing is fetched: {intake.problem}", to_do))
    try:
        async with asyncio.timeout(2 * NATS_SECONDS):
            lag = await intake.lag()
    except CLIENT_FAULTS as error:
        what = f"NATS does not report how many messages wait: {words(error)}"
        to_do = (
            "allow this user to publish to $JS.API.CONSUMER.INFO.> and $JS.API.STREAM.MSG.GET.>"
        )
        return replace(seen, problem=seen.problem or Problem(what, to_do))
    if lag is None:
        return seen
    return replace(seen, attached=True, messages=lag.messages, seconds=lag.seconds)
