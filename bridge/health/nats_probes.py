"""Probes of NATS, streams and sources. Each has a time limit and returns a problem, never raises."""

import asyncio
from collections.abc import Mapping
from typing import Any

from nats.js.api import DiscardPolicy, StreamInfo

from bridge.errors import NotConnected, RequestRefused, SourceMissing
from bridge.health.snapshot import Problem, SourceState, StreamState
from bridge.jetstream.api import NO_CONSUMER, ask
from bridge.jetstream.client import BridgeClient
from bridge.jetstream.connection import CLIENT_FAULTS, stream_info, words
from bridge.jetstream.own_streams import StreamPlan, in_the_way, owner_of
from bridge.settings.schema import NatsSettings, SourceSettings

NATS_SECONDS = 2
_ALMOST = 1024
"""A stream with fewer bytes left counts as full: hardly any message fits."""


def nats_problem(settings: NatsSettings, reason: str) -> Problem:
    """Return the problem behind a failure to reach NATS, and its remedy."""
    where = reason if settings.shown_url in reason else f"{settings.shown_url}: {reason}"
    if "authorization" in reason.lower():
        return Problem(
            where,
            "correct user, password or token in nats.url (NATS_URL), or nats.credentials, or "
            "allow them on NATS; the daemon then connects",
        )
    return Problem(
        where, "start NATS, or correct nats.url (NATS_URL); the daemon then connects"
    )


async def probe_server(client: BridgeClient, settings: NatsSettings) -> Problem | None:
    """Ping the server."""
    try:
        if not client.is_connected:
            raise NotConnected(f"the connection to {settings.shown_url} is lost")
        await client.flush(NATS_SECONDS)
    except CLIENT_FAULTS as error:
        return nats_problem(settings, words(error))
    return None


async def probe_jetstream(client: BridgeClient) -> Problem | None:
    """Return why the account cannot store more; None if it can."""
    try:
        info = await client.jetstream(timeout=NATS_SECONDS).account_info()
    except CLIENT_FAULTS as error:
        return Problem(
            f"JetStream does not answer: {words(error)}",
            "enable JetStream for this account; after a full disk it stays off until nats-server "
            "is restarted",
        )
    most = info.limits.max_storage or -1
    if 0 < most <= (info.storage or 0) + _ALMOST:
        return Problem(
            f"the account has used up its storage: {info.storage} of {most} bytes",
            "raise the account's max_file, or remove streams or messages",
        )
    return None


async def probe_own_stream(
    client: BridgeClient, settings: NatsSettings, plan: StreamPlan
) -> StreamState:
    """Return the state of one of the bridge's own streams; if missing, what prevents its creation."""
    stream = settings.stream(plan.name)
    js = client.jetstream(timeout=NATS_SECONDS)
    try:
        return _stream_state(stream, await stream_info(js, stream))
    except SourceMissing:
        try:
            owner = await owner_of(js, settings, plan)
        except CLIENT_FAULTS as error:
            return StreamState(stream, _no_info(error))
        to_do = in_the_way(settings, plan, owner) if owner else "run 'ntbridge migrate'"
        return StreamState(stream, Problem("missing", to_do))
    except CLIENT_FAULTS as error:
        return StreamState(stream, _no_info(error))


async def probe_stream(client: BridgeClient, stream: str, api: str) -> StreamState:
    """Return how full a stream is, and whether it accepts messages."""
    try:
        async with asyncio.timeout(2 * NATS_SECONDS):
            info = await stream_info(client.jetstream(timeout=NATS_SECONDS, prefix=api), stream)
    except SourceMissing as error:
        to_do = "run 'ntbridge migrate', or correct nats.prefix and intake.sources"
        return StreamState(stream, Problem(str(error), to_do))
    except CLIENT_FAULTS as error:
        return StreamState(stream, _no_info(error))
    return _stream_state(stream, info)


def _stream_state(stream: str, info: StreamInfo) -> StreamState:
    config, state = info.config, info.state
    fill, limit, refuses = 0.0, "", ""
    for used, most, unit, spare in (
        (state.bytes, config.max_bytes, "bytes", _ALMOST),
        (state.messages, config.max_msgs, "messages", 0),
    ):
        if not most or most < 0:
            continue
        if used / most >= fill:
            fill, limit = used / most, f"{used} of {most} {unit}"
        if used + spare >= most and config.discard == DiscardPolicy.NEW:
            fill, refuses = 1.0, f"it is full: {used} of {most} {unit}"
    if config.sealed:
        refuses = "it is sealed"
    return StreamState(
        stream,
        messages=state.messages,
        bytes=state.bytes,
        fill=fill,
        limit=limit,
        refuses=refuses,
    )


def _no_info(error: Exception) -> Problem:
    return Problem(
        f"NATS gives no information about it: {words(error)}",
        "enable JetStream, and allow this user to publish to $JS.API.STREAM.INFO.> and "
        "$JS.API.CONSUMER.INFO.>",
    )


async def probe_source(
    client: BridgeClient, settings: NatsSettings, source: SourceSettings
) -> SourceState:
    """Return the state of a source, whichever daemon fetches from it."""
    stream = await probe_stream(
        client, settings.source_stream(source), settings.source_api(source)
    )
    if stream.problem is not None:
        return SourceState(source.name, stream=stream, problem=stream.problem)
    try:
        consumer = await _consumer(client, stream.name, source, settings.source_api(source))
    except CLIENT_FAULTS as error:
        return SourceState(source.name, stream=stream, problem=_no_info(error))
    return SourceState(
        source.name,
        stream=stream,
        has_consumer=consumer is not None,
        problem=None if consumer is None else _stuck(consumer),
        messages=0 if consumer is None else _behind(consumer),
    )


def _behind(consumer: Mapping[str, Any]) -> int:
    pending: int = consumer.get("num_pending", 0) + consumer.get("num_ack_pending", 0)
    return pending


async def _consumer(
    client: BridgeClient, stream: str, source: SourceSettings, api: str
) -> dict[str, Any] | None:
    """Return the info of the source's consumer; None if there is none yet."""
    try:
        return await ask(
            client, f"CONSUMER.INFO.{stream}.{source.durable}", within=NATS_SECONDS, api=api
        )
    except RequestRefused as error:
        if error.err_code == NO_CONSUMER:
            return None
        raise


def _stuck(consumer: Mapping[str, Any]) -> Problem | None:
    """Return why a consumer delivers nothing to any puller; None if it does."""
    name, stream, config = consumer["name"], consumer["stream_name"], consumer["config"]
    if consumer.get("paused"):
        until = config.get("pause_until")
        return Problem(
            f"its consumer {name} is paused" + (f" until {until}" if until else ""),
            f"resume it: nats consumer resume {stream} {name}",
        )
    most, pending = config.get("max_ack_pending", -1), consumer.get("num_ack_pending", 0)
    if 0 < most <= pending:
        return Problem(
            f"its consumer {name} waits for {pending} acknowledgements, the maximum "
            "(max_ack_pending)",
            "stop any other program that pulls from this consumer; its messages are redelivered "
            "after the ack wait",
        )
    return None
