"""Setup: create the tables, streams, consumers and search attributes that the daemon needs."""

from dataclasses import dataclass

from bridge.errors import SettingsError
from bridge.jetstream.connection import connect_once
from bridge.jetstream.own_streams import (
    declare_consumers,
    declare_streams,
    used_streams,
)
from bridge.jetstream.stream_options import allow_batches
from bridge.operations.calls import CallError
from bridge.settings.schema import Settings
from bridge.sql.storage import COMPONENTS
from bridge.temporal import Gateway, connect_each
from eventstore.migrate import migrate


@dataclass(frozen=True)
class Created:
    """What `prepare` created, by name."""

    migrations: tuple[str, ...]
    streams: tuple[str, ...]
    consumers: tuple[str, ...]
    search_attributes: tuple[str, ...]


async def prepare(settings: Settings) -> Created:
    """Create what the bridge needs and does not find: tables, streams, consumers, search attributes.

    Raises:
        SettingsError: A search attribute is registered with a type that the bridge cannot use.
        StreamNotMadeError: NATS refuses to create a stream.
        CallError: A namespace of Temporal cannot be set up; the others are.
    """
    migrations = await migrate(settings.database.url, COMPONENTS)
    client = await connect_once(settings.nats, "ntbridge migrate")
    try:
        plans = used_streams(settings)
        streams = await declare_streams(client.jetstream(), settings.nats, plans)
        batched = await allow_batches(
            client,
            [
                settings.nats.stream(name)
                for name in (settings.nats.streams.results, settings.nats.streams.replay)
            ],
        )
        streams += [f"{name}: allow_atomic" for name in batched if name not in streams]
        consumers = await declare_consumers(client.jetstream(), settings.nats, plans)
    finally:
        await client.close()
    attributes: list[str] = []
    failed: list[CallError] = []
    for name, gateway in (await connect_each(settings.temporal)).items():
        try:
            made = await _search_attributes(gateway)
        except CallError as error:
            message = f"temporal.namespaces.{name}: {error.message}" if name else error.message
            failed.append(CallError(error.status, message))
        else:
            attributes += [f"{each} in {name}" if name else each for each in made]
    if failed:  # after the others were set up
        raise failed[0]
    return Created(
        tuple(str(each) for each in migrations),
        tuple(streams),
        tuple(consumers),
        tuple(attributes),
    )


async def _search_attributes(gateway: Gateway) -> tuple[str, ...]:
    """Register the missing search attributes of a namespace, and return them."""
    made = await gateway.register_search_attributes()
    registered = await gateway.search_attributes()
    if registered.mistyped:
        raise SettingsError(
            f"search attributes of Temporal's namespace {gateway.namespace} have the wrong "
            f"type: {registered.faults}; {registered.to_do}"
        )
    return made
