"""The streams that the bridge makes: which of them are used, and making what is missing."""

from collections.abc import Sequence
from dataclasses import dataclass

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
from bridge.settings.schema import NatsSettings, RelaySettings, Settings

EVENTS = "EVENTS"

_DAY_SECONDS = 24 * 3600.0
_OVERLAP = 10065
"""JetStream's code for subjects that another stream holds."""


@dataclass(frozen=True)
class StreamPlan:
    """A stream the bridge declares: its name and subjects without the prefix."""

    name: str
    subjects: tuple[str, ...]
    max_age: float
    """How long messages stay, in seconds."""
    way_out: str
    """What to do when another stream holds the subjects."""
    duplicate_window: float = 120.0
    """How long a message id is remembered, in seconds."""


def used_streams(settings: Settings) -> Sequence[StreamPlan]:
    """Return the streams of the bridge's own that these settings lead to.

    ``EVENTS`` is one of them if it is a source; streams of other names belong to others.
    """
    events = StreamPlan(
        EVENTS,
        ("events.>",),
        7 * _DAY_SECONDS,
        "make that one the source (intake.sources, NTBRIDGE_INTAKE__SOURCES='[{{stream: {owner}}}]')",
    )
    dead_letters = StreamPlan(
        "DEADLETTERS", ("deadletters.>",), 90 * _DAY_SECONDS, "take the subjects from that one"
    )
    replay = StreamPlan(
        "REPLAY", ("replay.>",), _DAY_SECONDS, "take the subjects from that one"
    )
    is_source = any(source.stream == EVENTS for source in settings.intake.sources)
    return (
        *([events] if is_source else []),
        results_stream(settings.relay),
        dead_letters,
        replay,
    )


def results_stream(relay: RelaySettings) -> StreamPlan:
    """Return the stream that the relay writes to."""
    return StreamPlan(
        relay.stream,
        (RESULT_TOPICS,),
        30 * _DAY_SECONDS,
        "take the subjects from that one, for only the relay may write them",
    )


async def declare_streams(
    js: JetStreamContext, settings: NatsSettings, plans: Sequence[StreamPlan]
) -> list[str]:
    """Create the streams that are missing and return their names; leave the others alone.

    Limits retention on files; a full stream refuses instead of dropping what was acked.

    Raises:
        StreamNotMadeError: One of them cannot be made.
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

    Who may create a consumer may also change and delete those of others, since NATS grants both
    by the same subjects. So a subscriber with few rights reads a consumer that is made for it, on
    each stream of the bridge's own but ``EVENTS``.

    Raises:
        StreamNotMadeError: One of them cannot be made.
        NotConnected: The server does not answer.
    """
    created = []
    streams = [settings.stream(plan.name) for plan in plans if plan.name != EVENTS]
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
    """Create a durable pull consumer unless it is there; tell whether it was created."""
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
    """Return the stream that holds a subject of the plan, if there is one."""
    for subject in plan.subjects:
        try:
            return await js.find_stream_name_by_subject(settings.subject(subject))
        except (
            NatsError,
            APIError,
            TimeoutError,
        ):  # it is only asked for the sake of a message
            continue
    return None


def in_the_way(settings: NatsSettings, plan: StreamPlan, owner: str) -> str:
    """Say which stream holds the subjects, and what to do."""
    subjects = ", ".join(map(settings.subject, plan.subjects))
    return (
        f"the stream {owner!r} holds {subjects} or a part of it: "
        f"{plan.way_out.format(owner=owner)}; or put a prefix before all names (nats.prefix)"
    )


async def _declare(js: JetStreamContext, settings: NatsSettings, plan: StreamPlan) -> bool:
    """Create a stream unless it is there; tell whether it was created."""
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
    )
