"""The streams that the bridge creates: which ones the settings need, and how they are created."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nats.errors import Error as NatsError
from nats.errors import NoRespondersError
from nats.js import JetStreamContext
from nats.js.api import (
    AckPolicy,
    ConsumerConfig,
    DiscardPolicy,
    RetentionPolicy,
    StorageType,
    StreamConfig,
)
from nats.js.errors import APIError, NotFoundError, ServiceUnavailableError

from bridge.errors import NotConnected, StreamNotMadeError
from bridge.jetstream.subjects import RESULT_TOPICS
from bridge.settings.schema import NatsSettings, Settings

MADE_BY_US = {"ntbridge.made_by": "ntbridge migrate"}
"""Metadata of the streams that the bridge creates. All messages of such a stream are for the bridge."""

_DAY_SECONDS = 24 * 3600.0
_OVERLAP = 10065
"""JetStream's code for subjects that another stream holds."""


@dataclass(frozen=True)
class StreamPlan:
    """A stream that the bridge creates; name and subjects are without the prefix."""

    name: str
    subjects: tuple[str, ...]
    max_age: float
    """How long the stream keeps messages, in seconds."""
    way_out: str
    """What to do when another stream holds the subjects."""
    duplicate_window: float = 120.0
    """How long the stream remembers a message id, in seconds."""


def used_streams(settings: Settings) -> Sequence[StreamPlan]:
    """Return the streams that the bridge creates under these settings.

    The stream of events is one of them if it is a source. Streams of other sources belong to others.
    Those of replays and dead letters are if they have a name.
    """
    names = settings.nats.streams
    plans = [results_stream(settings.nats)]
    if any(source.stream == names.events for source in settings.intake.sources):
        plans.insert(0, _events_stream(names.events))
    for name, subjects, days in (
        (names.dead_letters, "deadletters.>", 90),
        (names.replay, "replay.>", 1),
    ):
        if name is not None:
            way_out = "remove the subjects from that stream"
            plans.append(StreamPlan(name, (subjects,), days * _DAY_SECONDS, way_out))
    return plans


def _events_stream(name: str) -> StreamPlan:
    return StreamPlan(
        name,
        ("events.>",),
        7 * _DAY_SECONDS,
        "make that stream the source (intake.sources, NTBRIDGE_INTAKE__SOURCES='[{{stream: {owner}}}]')",
    )


def results_stream(nats: NatsSettings) -> StreamPlan:
    """Return the stream that the relay publishes to."""
    return StreamPlan(
        nats.streams.results,
        (RESULT_TOPICS,),
        30 * _DAY_SECONDS,
        "remove the subjects from that stream, because only the relay may publish to them",
    )


def is_own(config: Mapping[str, Any]) -> bool:
    """Return whether ``ntbridge migrate`` created a stream, by its configuration as JSON."""
    return MADE_BY_US.items() <= (config.get("metadata") or {}).items()


async def declare_streams(
    js: JetStreamContext, settings: NatsSettings, plans: Sequence[StreamPlan]
) -> list[str]:
    """Create the streams that are missing and return their names; do not change existing ones.

    They have limits retention and file storage. A full stream refuses new messages instead of
    dropping acknowledged ones.

    Raises:
        StreamNotMadeError: A stream cannot be created.
        NotConnected: The server does not answer.
    """
    created = []
    for plan in plans:
        try:
            if await _declare(js, settings, plan):
                created.append(settings.stream(plan.name))
        except (NoRespondersError, ServiceUnavailableError) as error:
            raise NotConnected(
                f"NATS at {settings.shown_url} has no JetStream for this user: switch it on"
            ) from error
        except APIError as error:
            raise await _refusal(js, settings, plan, error) from error
        except (NatsError, OSError, TimeoutError) as error:
            raise NotConnected(
                f"NATS at {settings.shown_url} does not answer about the stream "
                f"{settings.stream(plan.name)!r}: {str(error) or type(error).__name__}; may this "
                "user call $JS.API.STREAM.INFO and $JS.API.STREAM.CREATE?"
            ) from error
    return created


async def declare_consumers(
    js: JetStreamContext, settings: NatsSettings, plans: Sequence[StreamPlan]
) -> list[str]:
    """Create the subscribers' consumers that are missing; return them as ``STREAM/name``.

    A user who may create a consumer may also change and delete consumers of others, because NATS
    grants both with the same subjects. So the bridge creates a consumer for each subscriber, on each
    of its streams except that of events, and the subscriber needs no such permission.

    Raises:
        StreamNotMadeError: A consumer cannot be created.
        NotConnected: The server does not answer.
    """
    created = []
    streams = [
        settings.stream(plan.name) for plan in plans if plan.name != settings.streams.events
    ]
    for name in settings.subscribers:
        for stream in streams:
            try:
                if await _declare_consumer(js, stream, name):
                    created.append(f"{stream}/{name}")
            except APIError as error:
                raise StreamNotMadeError(
                    f"the consumer {name!r} (nats.subscribers) cannot be made on the NATS stream "
                    f"{stream!r}: {error.description or repr(error)}"
                ) from error
            except (NatsError, OSError, TimeoutError) as error:
                raise NotConnected(
                    f"NATS at {settings.shown_url} does not answer about the consumer {name!r} of "
                    f"{stream!r}: {str(error) or type(error).__name__}; may this user call "
                    "$JS.API.CONSUMER.INFO and $JS.API.CONSUMER.DURABLE.CREATE?"
                ) from error
    return created


async def _declare_consumer(js: JetStreamContext, stream: str, name: str) -> bool:
    """Create a durable pull consumer unless it exists; return whether it was created."""
    try:
        await js.consumer_info(stream, name)
    except NotFoundError:
        config = ConsumerConfig(durable_name=name, ack_policy=AckPolicy.EXPLICIT)
        await js.add_consumer(stream, config)
        return True
    return False


async def owner_of(
    js: JetStreamContext, settings: NatsSettings, plan: StreamPlan
) -> str | None:
    """Return the stream that holds a subject of the plan, or None."""
    for subject in plan.subjects:
        try:
            return await js.find_stream_name_by_subject(settings.subject(subject))
        except (NatsError, APIError, TimeoutError):
            # The answer only improves an error message.
            continue
    return None


def in_the_way(settings: NatsSettings, plan: StreamPlan, owner: str) -> str:
    """Return an error text: which stream holds the subjects, and what to do."""
    subjects = ", ".join(map(settings.subject, plan.subjects))
    return (
        f"the stream {owner!r} holds {subjects} or a part of it: "
        f"{plan.way_out.format(owner=owner)}; or put a prefix before all names (nats.prefix)"
    )


async def _declare(js: JetStreamContext, settings: NatsSettings, plan: StreamPlan) -> bool:
    """Create a stream unless it exists; return whether it was created."""
    try:
        await js.stream_info(settings.stream(plan.name))
    except NotFoundError:
        await js.add_stream(_config(plan, settings))
        return True
    return False


async def _refusal(
    js: JetStreamContext, settings: NatsSettings, plan: StreamPlan, error: APIError
) -> StreamNotMadeError:
    name = settings.stream(plan.name)
    if error.err_code == _OVERLAP and (owner := await owner_of(js, settings, plan)):
        reason = in_the_way(settings, plan, owner)
    else:
        reason = error.description or repr(error)
    return StreamNotMadeError(f"the NATS stream {name!r} cannot be made: {reason}")


def _config(plan: StreamPlan, settings: NatsSettings) -> StreamConfig:
    return StreamConfig(
        name=settings.stream(plan.name),
        subjects=[settings.subject(subject) for subject in plan.subjects],
        retention=RetentionPolicy.LIMITS,
        storage=StorageType.FILE,
        discard=DiscardPolicy.NEW,
        max_age=plan.max_age,
        max_bytes=settings.max_stream_bytes,
        duplicate_window=plan.duplicate_window,
        num_replicas=settings.replicas,
        metadata=dict(MADE_BY_US),
    )
