"""Counts messages that no route wanted, in intake's commit.

A source with ``unmatched: count`` keeps no event of such a message. It is counted by subject and type,
and its sequence becomes part of a range, which answers what became of it. Only the leader of the
source writes, under its lease. A message that is delivered again is in a range, and not counted again:
also after a commit whose outcome was unknown.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256

from bridge.intake.consumer import Delivery
from bridge.intake.decision import Counted, Judged
from bridge.jetstream.subjects import shown_subject
from bridge.sql import STATEMENTS
from eventstore.database import Connection


@dataclass(slots=True)
class CountedRange:
    """Counted messages of a source without another one between them."""

    first: int
    through: int
    through_ns: int


@dataclass(slots=True)
class _Group:
    """The messages of a batch that have one subject and type."""

    subject: str
    type: str
    messages: int
    first: int
    through: int


async def known_among(
    connection: Connection, batch: Sequence[Judged], consumer: str
) -> frozenset[int]:
    """Return the sequences of the messages to be counted that were answered before."""
    deliveries = [each.delivery for each in batch if isinstance(each, Counted)]
    if not deliveries:
        return frozenset()
    rows = await connection.fetch(
        STATEMENTS["counted_among"],
        deliveries[0].stream,
        deliveries[0].stream_created,
        consumer,
        [each.sequence for each in deliveries],
        [_arrived(each) for each in deliveries],
    )
    return frozenset(row["sequence"] for row in rows)


async def count(
    connection: Connection, batch: Sequence[Judged], consumer: str, known: frozenset[int]
) -> None:
    """Count the messages of a batch that no route wanted and that are not known.

    Call it before the progress of the source is saved: the first range continues the last one if
    that ends where the source was.
    """
    ranges = ranges_of(batch, known)
    if not ranges:
        return
    about = batch[0].delivery.stream, batch[0].delivery.stream_created, consumer
    first = ranges[0]
    if first.first == batch[0].delivery.sequence:
        extended = await connection.fetchval(
            STATEMENTS["extend_counted_range"],
            *about,
            first.first,
            first.through,
            first.through_ns,
        )
        if extended is not None:
            ranges = ranges[1:]
    if ranges:
        await connection.execute(
            STATEMENTS["insert_counted_ranges"],
            *about,
            [each.first for each in ranges],
            [each.through for each in ranges],
            [each.through_ns for each in ranges],
        )
    groups = _groups(batch, known)
    await connection.execute(
        STATEMENTS["count_messages"],
        *about,
        list(groups),
        [each.subject for each in groups.values()],
        [each.type for each in groups.values()],
        [each.messages for each in groups.values()],
        [each.first for each in groups.values()],
        [each.through for each in groups.values()],
    )


def ranges_of(batch: Sequence[Judged], known: frozenset[int]) -> list[CountedRange]:
    """Return the ranges of new counted messages, in order."""
    ranges: list[CountedRange] = []
    continues = False
    for each in batch:
        delivery = each.delivery
        is_new = isinstance(each, Counted) and delivery.sequence not in known
        if is_new and continues:
            ranges[-1].through, ranges[-1].through_ns = delivery.sequence, _arrived(delivery)
        elif is_new:
            ranges.append(
                CountedRange(delivery.sequence, delivery.sequence, _arrived(delivery))
            )
        continues = is_new
    return ranges


def _groups(batch: Sequence[Judged], known: frozenset[int]) -> dict[bytes, _Group]:
    groups: dict[bytes, _Group] = {}
    for each in batch:
        sequence = each.delivery.sequence
        if not isinstance(each, Counted) or sequence in known:
            continue
        subject, kind = shown_subject(each.delivery.topic), each.event.type
        key = sha256(f"{subject}\n{kind}".encode()).digest()
        group = groups.setdefault(key, _Group(subject, kind, 0, sequence, sequence))
        group.messages += 1
        group.through = max(group.through, sequence)
    return groups


def _arrived(delivery: Delivery) -> int:
    return delivery.arrived_ns or 0
