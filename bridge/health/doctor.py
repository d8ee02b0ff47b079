"""Doctor: run the daemon's probes and checks once, from outside, for ``ntbridge doctor``."""

import asyncio
from dataclasses import dataclass, replace

from bridge.errors import NotConnected, RoutesError
from bridge.health import nats_probes, postgres_probes
from bridge.health.certificates import look_at_certificates
from bridge.health.checks import judge
from bridge.health.codec import probe_codec
from bridge.health.probes import look_at_namespace, look_at_streams
from bridge.health.snapshot import NamespaceState, Problem, Snapshot, SourceState
from bridge.health.sources import sources_of
from bridge.health.temporal_probes import probe_activities
from bridge.intake.lag import lag_of
from bridge.jetstream.client import BridgeClient
from bridge.jetstream.connection import CLIENT_FAULTS, connect_once
from bridge.routes.loading import load_routes
from bridge.routes.table import RouteTable
from bridge.runtime.errors import ConnectionFileError
from bridge.runtime.findings import CheckState, Finding
from bridge.runtime.payload_store.check import look_at_payload_store
from bridge.runtime.strict import DEFAULT_NAMESPACE
from bridge.settings.schema import NatsSettings, Settings
from bridge.settings.source_settings import SourceSettings
from bridge.settings.sources import Loaded
from bridge.temporal import connect
from eventstore.database import Database
from eventstore.errors import EventStoreError
from eventstore.store import EventStore

_DEADLINE_SECONDS = 5.0


async def examine(loaded: Loaded) -> list[Finding]:
    """Probe NATS, Temporal, Postgres and the routes; return the same findings as a daemon."""
    return (await survey(loaded)).findings


@dataclass(frozen=True, slots=True)
class Survey:
    """What was seen from outside, and its findings."""

    snapshot: Snapshot
    findings: list[Finding]


async def survey(loaded: Loaded) -> Survey:
    """Probe NATS, Temporal, Postgres and the routes once."""
    settings = loaded.settings
    routes, table = _routes(loaded)
    if table is not None:
        settings = settings.with_sources(table.sources.settings)
    nats, temporal, postgres, sources = await asyncio.gather(
        _nats(settings), _temporal(settings, table), _postgres(settings), _sources(settings)
    )
    default, *others = temporal
    snapshot = replace(
        nats,
        temporal=default.problem,
        attributes=default.attributes,
        queues=default.queues,
        others=tuple(others),
        postgres=postgres.postgres,
        schema=postgres.schema,
        schema_is_newer=postgres.schema_is_newer,
        server=postgres.server,
        store=postgres.store,
        certificates=look_at_certificates(settings),
    )
    seen = judge(snapshot, None, settings)
    # A running source without problems may still be one that a first start would read from its beginning.
    merged = [sources.pop(each.check, each) if each.state == "ok" else each for each in seen]
    known = {each.check for each in merged}
    left = (each for each in sources.values() if each.check not in known)
    return Survey(snapshot, [*merged, *left, *await _namespaces(settings, table), routes])


async def _namespaces(settings: Settings, table: RouteTable | None) -> list[Finding]:
    """Return the findings about payloads and activities of each namespace in Temporal's settings."""
    found: list[Finding] = []
    for name, each in settings.temporal.each.items():
        try:
            gateway = await connect(each)
        except ConnectionFileError:
            continue  # the check of Temporal has the reason
        own = "" if name == DEFAULT_NAMESPACE else f" {name}"
        looked = (
            await probe_codec(gateway, each.codec),
            await look_at_payload_store(each.payloads, each.namespace),
            *await probe_activities(
                gateway, () if table is None else table.within(name).routes
            ),
        )
        found += [replace(finding, check=f"{finding.check}{own}") for finding in looked]
    return found


async def _sources(settings: Settings) -> dict[str, Finding]:
    """Return the problems of the sources, by check; none if NATS cannot be reached."""
    try:
        async with sources_of(settings, "ntbridge doctor") as sources:
            return {each.check: each async for each in sources.findings() if each.state != "ok"}
    except NotConnected:
        return {}


async def _nats(settings: Settings) -> Snapshot:
    try:
        client = await connect_once(settings.nats, "ntbridge doctor")
    except NotConnected as error:
        return Snapshot(nats=nats_probes.nats_problem(settings.nats, str(error)))
    try:
        sources = [
            await _source(client, settings.nats, each) for each in settings.intake.sources
        ]
        return Snapshot(
            nats=await nats_probes.probe_server(client, settings.nats),
            sources=tuple(sources),
            streams=await look_at_streams(client, settings, sources),
            jetstream=await nats_probes.probe_jetstream(client),
        )
    finally:
        await client.close()


async def _source(
    client: BridgeClient, nats: NatsSettings, source: SourceSettings
) -> SourceState:
    """Return the state of a source with the age of the oldest message that is not recorded."""
    seen = await nats_probes.probe_source(client, nats, source)
    if not seen.messages or seen.problem is not None:
        return seen
    try:
        lag = await lag_of(client, nats, source)
    except CLIENT_FAULTS:
        return seen  # this user may not read messages; their number is known
    return replace(seen, seconds=lag.seconds)


async def _temporal(settings: Settings, table: RouteTable | None) -> list[NamespaceState]:
    return await asyncio.gather(
        *(
            _namespace(settings, name, table or RouteTable(()))
            for name in settings.temporal.each
        )
    )


async def _namespace(settings: Settings, name: str, table: RouteTable) -> NamespaceState:
    mine = settings.temporal.each[name]
    try:
        gateway = await connect(mine)
    except ConnectionFileError as error:
        problem = Problem(str(error), "correct the setting, or the file")
        return NamespaceState(name, problem)
    return await look_at_namespace(gateway, settings, name, table)


async def _postgres(settings: Settings) -> postgres_probes.Seen:
    try:
        database = await Database.connect(
            settings.database.url,
            size=settings.database.pool_size,
            deadline=min(_DEADLINE_SECONDS, settings.database.deadline),
            application_name="ntbridge doctor",
        )
    except EventStoreError as error:
        return postgres_probes.Seen(postgres_probes.postgres_problem(settings.database, error))
    try:
        store = EventStore(database)
        try:
            return await postgres_probes.probe(database, store, settings.database)
        finally:
            await store.aclose()
    finally:
        await database.close()


def _routes(loaded: Loaded) -> tuple[Finding, RouteTable | None]:
    settings = loaded.settings
    if "routes" not in loaded.origins and not settings.routes.exists():
        to_do = "name a file with --routes or NTBRIDGE_ROUTES before 'ntbridge run'"
        return Finding("routes", "warning", f"{settings.routes} does not exist", to_do), None
    try:
        table = load_routes(
            settings.routes,
            settings.intake.written_sources,
            settings.type_prefix,
            settings.temporal.names,
            closures=settings.closures.enabled,
        )
    except RoutesError as error:
        to_do = "correct the routes file; a running daemon keeps its last valid routes"
        return Finding("routes", "failed", str(error), to_do), None
    names = ", ".join(route.name for route in table.routes) or "none"
    state: CheckState = "ok" if table.routes else "warning"
    return Finding("routes", state, f"{settings.routes}: {names}"), table
