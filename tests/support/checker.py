"""The independent judge: reads NATS, Postgres and Temporal directly, and asks nothing of the bridge."""

import json
from collections import Counter
from dataclasses import dataclass
from typing import Any

import asyncpg
import nats
from temporalio.client import Client

from tests.support.daemon import Bridge
from tests.support.waiting import eventually

_EVENTS = """
    select position, stream, id, source, type, subject, time, topic, correlation_id, data, extensions,
           traceparent, tracestate, datacontenttype, dataschema, recorded_at, origin
    from event_attributes order by position
"""
_DISPATCHES = "select * from dispatches order by id"
_LETTERS = "select * from dead_letters order by id"
_DELIVERIES = "select * from deliveries order by sequence"

_UNSETTLED = frozenset({"open", "queued", "gathering"})


@dataclass(frozen=True)
class Published:
    """A message of the stream of results."""

    sequence: int
    position: int
    topic: str
    event: dict[str, Any]


async def rows(bridge: Bridge, statement: str, *arguments: object) -> list[asyncpg.Record]:
    """What a statement finds in the bridge's database."""
    connection = await asyncpg.connect(bridge.database_url, timeout=10)
    try:
        found: list[asyncpg.Record] = await connection.fetch(statement, *arguments, timeout=10)
    finally:
        await connection.close(timeout=10)
    return found


async def dispatches(bridge: Bridge) -> list[asyncpg.Record]:
    """All dispatches."""
    return await rows(bridge, _DISPATCHES)


async def dead_letters(bridge: Bridge) -> list[asyncpg.Record]:
    """All dead letters."""
    return await rows(bridge, _LETTERS)


async def deliveries(bridge: Bridge) -> list[asyncpg.Record]:
    """What intake answered, in the order of the stream."""
    return await rows(bridge, _DELIVERIES)


async def settled(
    bridge: Bridge, count: int, within: float | None = None
) -> list[asyncpg.Record]:
    """Wait until intake has answered so many messages and no dispatch is open.

    By default it waits for a time that grows with their number.
    """

    async def look() -> bool:
        answered = len(await deliveries(bridge))
        unsettled = [row for row in await dispatches(bridge) if row["state"] in _UNSETTLED]
        left = [row["target"] for row in unsettled]
        assert (answered, left) == (count, [])
        return True

    within = 60 + count / 5 if within is None else within
    await eventually(look, within=within, what=f"{count} deliveries answered, nothing open")
    return await deliveries(bridge)


async def stored_events(bridge: Bridge) -> list[dict[str, Any]]:
    """The events of the store in position order, in the JSON format, with what the store adds."""
    return [_as_json(row) for row in await rows(bridge, _EVENTS)]


async def stored_results(bridge: Bridge) -> list[dict[str, Any]]:
    """Those that were emitted here."""
    return [row for row in await stored_events(bridge) if row["origin"] == "emitted"]


async def published_results(bridge: Bridge) -> list[Published]:
    """All messages of the stream of results, in its order."""
    client = await nats.connect(bridge.addresses.nats_url, connect_timeout=5)
    try:
        js = client.jetstream()
        stream = f"{bridge.prefix}-RESULTS"
        state = (await js.stream_info(stream)).state
        found = []
        for sequence in range(max(1, state.first_seq), state.last_seq + 1):
            message = await js.get_msg(stream, sequence)
            headers = message.headers or {}
            found.append(
                Published(
                    sequence,
                    int(headers["Ntbridge-Position"]),
                    (message.subject or "").removeprefix(f"{bridge.prefix}."),
                    json.loads(message.data or b""),
                )
            )
    finally:
        await client.close()
    return found


async def connected(bridge: Bridge) -> Client:
    """A plain client of Temporal."""
    return await Client.connect(bridge.addresses.temporal_address)


async def runs(bridge: Bridge, route: str) -> list[dict[str, str]]:
    """The runs of a route in Temporal, each with its search attributes and its status."""
    client = await connected(bridge)
    found = []
    async for run in client.list_workflows(f"BridgeRoute = '{route}'"):
        attributes = {pair.key.name: str(pair.value) for pair in run.typed_search_attributes}
        status = "UNKNOWN" if run.status is None else run.status.name
        found.append({**attributes, "id": run.id, "run_id": run.run_id, "status": status})
    return found


async def results_arrived(bridge: Bridge, count: int, within: float = 60) -> None:
    """Wait until the stream of results has that many messages, or more."""
    client = await nats.connect(bridge.addresses.nats_url, connect_timeout=5)
    try:
        js = client.jetstream()

        async def look() -> bool:
            last = (await js.stream_info(f"{bridge.prefix}-RESULTS")).state.last_seq
            assert last >= count, f"{last} result events are on NATS"
            return True

        await eventually(
            look,
            within=within,
            what=f"{count} result events on NATS",
            forgive=(AssertionError, nats.errors.Error, nats.js.errors.Error),
        )
    finally:
        await client.close()


async def assert_same_results(bridge: Bridge, count: int) -> list[Published]:
    """Assert that NATS holds exactly what the store holds: once each, in position order, equal."""
    stored, published = await stored_results(bridge), await published_results(bridge)
    positions = [message.position for message in published]
    doubled = [position for position, times in Counter(positions).items() if times > 1]
    assert not doubled, f"published more than once: positions {doubled}"
    assert positions == sorted(positions), "published out of position order"
    assert [each["position"] for each in stored] == positions
    for row, message in zip(stored, published, strict=True):
        assert row["event"] == message.event, f"position {message.position} differs"
        assert row["topic"] == message.topic
    assert len(published) == count
    return published


async def assert_one_run_each(bridge: Bridge, route: str, uids: list[str]) -> None:
    """Assert that each event has exactly one run, and that there is no other."""

    async def look() -> bool:
        found = await runs(bridge, route)
        counts = Counter(run["EventUid"] for run in found)
        assert counts == Counter(uids), f"{len(found)} runs for {len(uids)} events"
        return True

    # Visibility lags behind the runs themselves.
    await eventually(look, within=30)


def _as_json(row: asyncpg.Record) -> dict[str, Any]:
    names = (
        *("id", "source", "type", "subject", "time", "datacontenttype", "dataschema"),
        *("traceparent", "tracestate"),
    )
    event = {name: row[name] for name in names if row[name] is not None}
    event |= json.loads(row["extensions"] or "{}")
    data = {} if row["data"] is None else {"data": json.loads(row["data"])}
    added = ("position", "stream", "topic", "correlation_id", "recorded_at", "origin")
    return {
        **{name: row[name] for name in added},
        "event": {"specversion": "1.0", **event, **data},
    }
