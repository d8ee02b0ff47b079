"""``ntbridge replay``: stored events sent again."""

from uuid import uuid4

from bridge.cli.common import DEFAULT_CONNECT, Connect, note, point_in_time

_EVERY = 1000


async def replay(
    *,
    type: str | None = None,  # noqa: A002 - the attribute's name
    type_prefix: str | None = None,
    correlation: str | None = None,
    since: str | None = None,
    until: str | None = None,
    from_position: int = 1,
    to_position: int | None = None,
    to_subject: str | None = None,
    to_nats: bool = False,
    connect: Connect = DEFAULT_CONNECT,
) -> None:
    """Read stored events in order and print them, or publish them to NATS again.

    Printed as NDJSON, one CloudEvent a line. Published copies carry the extension attribute
    replayid; positions and times are included below and excluded above.

    Parameters
    ----------
    type:
        Only events of this CloudEvents type.
    type_prefix:
        Only events whose type begins like this.
    correlation:
        Only events with this correlation id.
    since:
        Recorded since: 10m, 2h (ago) or an ISO 8601 time.
    until:
        Recorded before.
    from_position:
        First position.
    to_position:
        Position to stop before.
    to_subject:
        Publish to this NATS subject.
    to_nats:
        Publish to `replay.<replay id>.<original subject>`.
    """
    from bridge.cli.rendering import print_events
    from bridge.history.replay import NatsTarget, Selection, replay_to_nats
    from bridge.jetstream import connect_once
    from bridge.storage import open_store
    from eventstore.filters import Filter

    settings = connect.settings()
    selection = Selection(
        where=Filter(
            type=type,
            type_prefix=type_prefix,
            correlation_id=correlation,
            since=point_in_time(since),
            until=point_in_time(until),
        ),
        from_position=from_position,
        to_position=to_position,
    )
    async with open_store(settings, "ntbridge replay") as (_, store):
        events = selection.read(store)
        if to_subject is None and not to_nats:
            note(f"{await print_events(events)} events")
            return
        target = NatsTarget(replay_id=uuid4(), subject=to_subject)
        client = await connect_once(settings.nats, "ntbridge replay")
        try:
            sent = 0
            async for _ in replay_to_nats(client, settings.nats, events, target):
                sent += 1
                if sent % _EVERY == 0:
                    note(f"{sent} events replayed")
            note(f"{sent} events replayed, replayid {target.replay_id}")
        finally:
            await client.close()
