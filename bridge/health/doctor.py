"""What a look at each dependency finds: is it there, is it set up, and if not, what to do."""

from collections.abc import AsyncIterator, Mapping

from bridge.calls import CallError
from bridge.config import Settings
from bridge.dead_letters.kept import DeadLetters, Selection
from bridge.errors import NotConnected, RoutesError, SourceMissing
from bridge.jetstream import connect_once, stream_info
from bridge.operating.findings import Finding
from bridge.operations.starting import StartFields
from bridge.origins import Loaded
from bridge.own_streams import in_the_way, owner_of, used_streams
from bridge.routes.loading import load_routes
from bridge.sql import STATEMENTS
from bridge.storage import COMPONENTS
from bridge.temporal import connect
from bridge.temporal.search_attributes import Registered
from eventstore.database import Database
from eventstore.errors import EventStoreError, SchemaError
from eventstore.migrate import schema_state


async def examine(loaded: Loaded) -> AsyncIterator[Finding]:
    """Look at NATS, Temporal, Postgres and the routes, one after another."""
    settings = loaded.settings
    async for finding in _nats(settings):
        yield finding
    async for finding in _temporal(settings):
        yield finding
    async for finding in _postgres(settings):
        yield finding
    yield _routes(loaded)


async def _nats(settings: Settings) -> AsyncIterator[Finding]:
    try:
        client = await connect_once(settings.nats, "ntbridge doctor")
    except NotConnected as error:
        yield Finding("nats", "failed", str(error), "start NATS, or set nats.url (NATS_URL)")
        return
    try:
        version = client.connected_server_version
        yield Finding(
            "nats",
            "ok",
            f"{settings.nats.shown_url}, version {version.major}.{version.minor}.{version.patch}",
        )
        js = client.jetstream()
        for plan in used_streams(settings):
            name = settings.nats.stream(plan.name)
            try:
                info = await stream_info(js, name)
            except SourceMissing:
                owner = await owner_of(js, settings.nats, plan)
                to_do = (
                    in_the_way(settings.nats, plan, owner)
                    if owner
                    else "run 'ntbridge migrate'"
                )
                yield Finding(f"stream {name}", "failed", "missing", to_do)
                continue
            except Exception as error:  # noqa: BLE001 - whatever it is, the operator wants to know
                yield Finding(f"stream {name}", "failed", repr(error), "is JetStream enabled?")
                continue
            yield Finding(
                f"stream {name}",
                "ok",
                f"{info.state.messages} messages, {info.state.bytes} bytes",
            )
    finally:
        await client.close()


async def _temporal(settings: Settings) -> AsyncIterator[Finding]:
    where = f"{settings.temporal.address}, namespace {settings.temporal.namespace}"
    gateway = await connect(settings.temporal)
    try:
        version = await gateway.server_version()
        attributes = await gateway.search_attributes()
    except CallError as error:
        yield Finding(
            "temporal",
            "failed",
            f"{where}: {error}",
            "start Temporal, or set temporal.address (TEMPORAL_ADDRESS) and "
            "temporal.namespace (TEMPORAL_NAMESPACE)",
        )
        return
    yield Finding("temporal", "ok", f"{where}, version {version}")
    yield _search_attributes(attributes, _named_by_routes(settings))


def _named_by_routes(settings: Settings) -> Mapping[str, str]:
    """Return the search attributes that routes set, each with the route; none of a file that is wrong."""
    try:
        table = load_routes(settings.routes)
    except RoutesError:
        return {}
    return {
        name: route.name
        for route in table.routes
        for spec in (route.spec, getattr(route.spec, "start", None))
        if isinstance(spec, StartFields)
        for name in spec.search_attributes
    }


def _search_attributes(attributes: Registered, named: Mapping[str, str]) -> Finding:
    missing, mistyped = ", ".join(attributes.missing), attributes.faults
    if mistyped:
        what = f"wrong type: {mistyped}" + (f"; not registered: {missing}" if missing else "")
        return Finding("search attributes", "failed", what, attributes.to_do)
    if missing:
        what = f"not registered: {missing}"
        return Finding("search attributes", "failed", what, "run 'ntbridge migrate'")
    unknown = {name: route for name, route in named.items() if name not in attributes.others}
    if unknown:
        what = ", ".join(f"{name} (route {route})" for name, route in unknown.items())
        to_do = "; ".join(
            f"temporal operator search-attribute create --name {name} --type ..."
            for name in unknown
        )
        return Finding("search attributes", "failed", f"not registered: {what}", f"'{to_do}'")
    return Finding("search attributes", "ok", "registered")


async def _postgres(settings: Settings) -> AsyncIterator[Finding]:
    try:
        database = await Database.connect(
            settings.database.url,
            size=settings.database.pool_size,
            deadline=min(5.0, settings.database.deadline),
            application_name="ntbridge doctor",
        )
    except EventStoreError as error:
        yield Finding(
            "postgres",
            "failed",
            f"{settings.database.shown_url}: {error}",
            "start Postgres, or set database.url (DATABASE_URL)",
        )
        return
    try:
        version = await database.fetchval(STATEMENTS["server_version"])
        yield Finding("postgres", "ok", f"{settings.database.shown_url}, version {version}")
        (await schema_state(database, COMPONENTS)).require()
        yield Finding("schema", "ok", "up to date")
        letters = await DeadLetters(database).count(Selection(state="open"))
        yield _dead_letters(sum(group.letters for group in letters))
    except SchemaError as error:
        yield Finding("schema", "failed", str(error), "run 'ntbridge migrate'")
    except EventStoreError as error:
        yield Finding("postgres", "failed", str(error), "see the server's log")
    finally:
        await database.close()


def _dead_letters(count: int) -> Finding:
    if not count:
        return Finding("dead letters", "ok", "none open")
    to_do = "see 'ntbridge dead-letters ls'; redrive or drop them"
    return Finding("dead letters", "warning", f"{count} open", to_do)


def _routes(loaded: Loaded) -> Finding:
    settings = loaded.settings
    if "routes" not in loaded.origins and not settings.routes.exists():
        to_do = "name a file with --routes or NTBRIDGE_ROUTES before 'ntbridge run'"
        return Finding("routes", "warning", f"there is no {settings.routes} here", to_do)
    try:
        table = load_routes(settings.routes)
    except RoutesError as error:
        return Finding(
            "routes",
            "failed",
            str(error),
            "mend the routes file; a running daemon goes on with those it has",
        )
    names = ", ".join(route.name for route in table.routes) or "none"
    return Finding("routes", "ok" if table.routes else "warning", f"{settings.routes}: {names}")
