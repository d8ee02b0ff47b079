"""Asking the servers and the tables. Nothing here waits for long, and nothing raises."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from bridge.calls import CallError
from bridge.config import Settings
from bridge.dispatch.dispatcher import Dispatcher
from bridge.errors import AttachError, NotConnected, SourceMissing
from bridge.health.snapshot import Problem, Snapshot, SourceState, StoreState
from bridge.intake.pipeline import Intake
from bridge.jetstream import CLIENT_FAULTS, Connection, stream_info
from bridge.outbound.chain import CHECKPOINT
from bridge.sql import STATEMENTS
from bridge.temporal import Gateway
from eventstore.database import Database
from eventstore.errors import EventStoreError, Unavailable
from eventstore.leases import Leases
from eventstore.store import EventStore

_NATS_SECONDS = 2
_PATIENCE_SECONDS = 3.0
_MOST_COUNTED = 10_000


@dataclass(frozen=True, kw_only=True)
class Parts:
    """The parts of a running daemon that are looked at."""

    settings: Settings
    owner: str
    """By what name the daemon holds its leases."""
    connection: Connection
    gateway: Gateway
    database: Database
    store: EventStore
    intakes: Sequence[Intake]
    dispatcher: Dispatcher


async def look(parts: Parts) -> Snapshot:
    """Probe everything once."""
    nats, temporal, (postgres, store) = await asyncio.gather(
        _nats(parts), _temporal(parts), _postgres(parts)
    )
    sources: list[SourceState] = []
    results = None
    if nats is None:
        sources = [await _source(parts, intake) for intake in parts.intakes]
        results = await _stream(parts, parts.settings.relay.stream)
    return Snapshot(
        postgres=postgres,
        nats=nats,
        temporal=temporal,
        store=store,
        sources=tuple(sources),
        results=results,
    )


async def _nats(parts: Parts) -> Problem | None:
    settings = parts.settings.nats
    try:
        client = await parts.connection.client(_NATS_SECONDS)
        if not client.is_connected:
            raise NotConnected(f"the connection to {settings.shown_url} is lost")
        await client.flush(_NATS_SECONDS)
    except CLIENT_FAULTS as error:
        reason = parts.connection.problem or str(error) or type(error).__name__
        if "authorization" in reason.lower():
            return Problem(
                f"{settings.shown_url}: {reason}",
                "correct user, password or token in nats.url (NATS_URL), or nats.credentials, or "
                "have NATS admit them; the daemon connects by itself",
            )
        return Problem(
            f"{settings.shown_url}: {reason}",
            "start NATS, or correct nats.url (NATS_URL); the daemon connects by itself",
        )
    return None


async def _source(parts: Parts, intake: Intake) -> SourceState:
    name = intake.source.name
    problem = await _stream(parts, intake.source.stream)
    if problem is not None:
        return SourceState(name, problem=problem)
    refused = intake.problem
    if isinstance(refused, AttachError):
        return SourceState(
            name, led=True, problem=Problem(f"not attached: {refused}", refused.to_do)
        )
    try:
        async with asyncio.timeout(2 * _NATS_SECONDS):
            lag = await intake.lag()
    except CLIENT_FAULTS as error:
        return SourceState(name, led=True, problem=_untold(error))
    if lag is None:
        return SourceState(name)
    return SourceState(
        name,
        led=True,
        messages=lag.messages,
        seconds=lag.seconds,
        held_back=intake.held_back,
    )


async def _stream(parts: Parts, stream: str) -> Problem | None:
    try:
        client = await parts.connection.client(_NATS_SECONDS)
        async with asyncio.timeout(2 * _NATS_SECONDS):
            await stream_info(
                client.jetstream(timeout=_NATS_SECONDS), parts.settings.nats.stream(stream)
            )
    except SourceMissing as error:
        to_do = "run 'ntbridge migrate', or correct nats.prefix and intake.sources"
        return Problem(str(error), to_do)
    except CLIENT_FAULTS as error:
        return _untold(error)
    return None


def _untold(error: Exception) -> Problem:
    return Problem(
        f"NATS does not tell about it: {str(error) or type(error).__name__}",
        "is JetStream enabled, and may this user ask $JS.API.STREAM.INFO and "
        "$JS.API.CONSUMER.INFO?",
    )


async def _temporal(parts: Parts) -> Problem | None:
    settings = parts.settings.temporal
    try:
        async with asyncio.timeout(_PATIENCE_SECONDS):
            await parts.gateway.check_namespace()
    except TimeoutError:
        return Problem(
            f"{settings.address}: no answer within {_PATIENCE_SECONDS:g} s",
            "look at Temporal and at what is between",
        )
    except CallError as error:
        where = f"{settings.address}: {error}"
        if error.namespace_missing or error.status == "NOT_FOUND":
            return Problem(
                f"{settings.address} has no namespace {settings.namespace!r}: {error.message}",
                f"make it ('temporal operator namespace create -n {settings.namespace}', then "
                "'ntbridge migrate'), or correct temporal.namespace (TEMPORAL_NAMESPACE)",
            )
        if error.status in ("PERMISSION_DENIED", "UNAUTHENTICATED"):
            return Problem(where, "correct temporal.api_key (TEMPORAL_API_KEY)")
        return Problem(
            where,
            "start Temporal, or correct temporal.address (TEMPORAL_ADDRESS); the daemon "
            "connects by itself, and nothing is given up meanwhile",
        )
    return None


async def _postgres(parts: Parts) -> tuple[Problem | None, StoreState | None]:
    try:
        async with asyncio.timeout(_PATIENCE_SECONDS):
            row = await parts.database.fetchrow(STATEMENTS["look"], CHECKPOINT, _MOST_COUNTED)
            fence = await parts.store.fence_status()
            leases = await Leases(parts.database).held("")
    except TimeoutError:
        return Problem(
            f"{parts.settings.database.shown_url}: no answer within {_PATIENCE_SECONDS:g} s",
            "look at Postgres and at what is between",
        ), None
    except EventStoreError as error:
        return postgres_problem(parts.settings, error), None
    if row is None:
        return Problem("the tables say nothing", "see the server's log"), None
    holders = [each for each in fence.holders if each.seconds is not None]
    oldest = max(holders, key=lambda each: each.seconds or 0.0, default=None)
    return None, StoreState(
        open=row["open"],
        waiting=row["waiting"],
        oldest=row["oldest"],
        letters=msgspec.json.decode(row["letters"]),
        relay_positions=row["behind"],
        relay_seconds=row["oldest_result"],
        fence_seconds=0.0 if oldest is None else oldest.seconds or 0.0,
        fence_holder="" if oldest is None else f"{oldest.application} (pid {oldest.pid})",
        leases=leases,
    )


def postgres_problem(settings: Settings, error: EventStoreError) -> Problem:
    """Return what a failure of Postgres means for an operator."""
    where = f"{settings.database.shown_url}: {error}"
    if isinstance(error, Unavailable):
        return Problem(
            where,
            "start Postgres, or correct database.url (DATABASE_URL); the daemon connects by "
            "itself, and NATS keeps what comes in",
        )
    return Problem(where, "see the server's log")
