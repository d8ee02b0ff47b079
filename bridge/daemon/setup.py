"""Setup: create the tables, streams, consumers and search attributes that the daemon needs."""

from collections.abc import Sequence
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
from bridge.temporal import SEARCH_ATTRIBUTES, Gateway, connect_each
from eventstore.migrate import migrate

_NOT_ALLOWED = frozenset({"PERMISSION_DENIED", "UNIMPLEMENTED"})
"""What a server answers that lets no client register search attributes."""


@dataclass(frozen=True)
class Created:
    """What `prepare` created, by name."""

    migrations: tuple[str, ...]
    streams: tuple[str, ...]
    consumers: tuple[str, ...]
    search_attributes: tuple[str, ...]
    to_do: tuple[str, ...] = ()
    """What someone with more rights must create, and how."""


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
                if name is not None
            ],
        )
        streams += [f"{name}: allow_atomic" for name in batched if name not in streams]
        consumers = await declare_consumers(client.jetstream(), settings.nats, plans)
    finally:
        await client.close()
    attributes: list[str] = []
    to_do: list[str] = []
    failed: list[CallError] = []
    for name, gateway in (await connect_each(settings.temporal)).items():
        try:
            made, missing = await _search_attributes(gateway)
        except CallError as error:
            message = _with_remedy(error, gateway.namespace)
            message = f"temporal.namespaces.{name}: {message}" if name else message
            failed.append(CallError(error.status, message))
        else:
            attributes += [f"{each} in {name}" if name else each for each in made]
            to_do += [by_hand(gateway.namespace, missing)] if missing else []
    if failed:  # after the others were set up
        raise failed[0]
    return Created(
        tuple(str(each) for each in migrations),
        tuple(streams),
        tuple(consumers),
        tuple(attributes),
        tuple(to_do),
    )


def by_hand(namespace: str, names: Sequence[str]) -> str:
    """Return how to register search attributes where this login may not, as in Temporal Cloud."""
    of_cloud = " ".join(f"--search-attribute {name}=Keyword" for name in names)
    of_server = " ".join(f"--name {name} --type Keyword" for name in names)
    return (
        f"this login may not register search attributes in the namespace {namespace}; until they exist, "
        "dispatches stay open. Register them. Temporal Cloud: "
        f"'tcld namespace search-attributes add --namespace {namespace} {of_cloud}', or on the page of "
        f"the namespace; another server: 'temporal operator search-attribute create --namespace "
        f"{namespace} {of_server}'"
    )


def _with_remedy(error: CallError, namespace: str) -> str:
    if not (error.namespace_missing or error.status == "NOT_FOUND"):
        return error.message
    return (
        f"{error.message}; create it ('temporal operator namespace create -n {namespace}'; Temporal "
        "Cloud: 'tcld namespace create', or its web page), then run 'ntbridge migrate' again"
    )


async def _search_attributes(gateway: Gateway) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Register the missing search attributes of a namespace.

    Returns:
        Those that were registered, and those that this login may not register.
    """
    missing: tuple[str, ...] = SEARCH_ATTRIBUTES
    try:
        missing = (await gateway.search_attributes()).missing
        made = await gateway.register_search_attributes()
    except CallError as error:
        if error.status not in _NOT_ALLOWED:
            raise
        return (), missing
    registered = await gateway.search_attributes()
    if registered.mistyped:
        raise SettingsError(
            f"search attributes of Temporal's namespace {gateway.namespace} have the wrong "
            f"type: {registered.faults}; {registered.to_do}"
        )
    return made, ()
