"""Where a new leader of a source begins to read. Pure.

The database decides; the consumer's state on the server is set to it. The sequence at which the
consumer begins depends on the stream's retention:

- *limits*: acknowledgements remove nothing. It begins after the last recorded message.
- *interest*: a message stays until all consumers have acknowledged it. A killed leader may have
  recorded messages without acknowledging them. So the consumer begins after its ack floor if that
  is earlier; recorded messages are delivered again, recognised as repeats and acknowledged.
- *work queue*: the stream holds only unacknowledged messages. Messages that a reset skips would
  stay in it forever, so the consumer begins at the first message.
"""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class StartingPoint:
    """Where a source began to read its stream.

    Attributes:
        sequence: The first sequence that it reads.
        time_ns: Messages that the stream stored earlier, in nanoseconds since 1970, do not belong to
            the source; None if all do. It decides after the stream lost its last messages: new ones
            then have sequences before `sequence`.
    """

    sequence: int = 1
    time_ns: int | None = None


@dataclass(frozen=True, slots=True)
class LastRecorded:
    """The last message of a source that is recorded.

    Attributes:
        sequence: Its sequence in the stream; if nothing is recorded yet, the one before the start.
        arrived_ns: When the stream stored it, in nanoseconds since 1970; None if not known. It
            distinguishes the message from another one with the same sequence.
        start: Where the source began.
        seen_through: Every message of the source up to this sequence is recorded; None if not
            known. Later than `sequence` if messages that do not belong to the source follow it.
    """

    sequence: int = 0
    arrived_ns: int | None = None
    start: StartingPoint = StartingPoint()
    seen_through: int | None = None


@dataclass(frozen=True, slots=True)
class Removed:
    """Messages that left the stream before they were recorded, as an inclusive sequence range.

    Of a source with a subject filter, only some of them may have belonged to the source, or none.
    """

    stream_created: datetime
    first: int
    through: int


def begin_at(retention: str | None, recorded: int, floor: int | None) -> int:
    """Return the sequence at which the consumer begins, 1 or later.

    Args:
        retention: The stream's retention: ``limits``, ``interest`` or ``workqueue``.
        recorded: The last recorded sequence, or the one before the start.
        floor: The consumer's ack floor; None if the consumer has just been created.
    """
    if retention == "workqueue":
        return 1
    if retention == "interest" and floor is not None:
        return min(recorded, floor) + 1
    return recorded + 1


def removed_before(
    stream_created: datetime, recorded: int, next_sequence: int
) -> Removed | None:
    """Return the messages that left the stream between the last recorded and the next message.

    Args:
        stream_created: When the stream was created.
        recorded: The sequence up to which all is recorded; if nothing is recorded, the one before
            the start.
        next_sequence: Sequence of the next message that the stream has or will have.
    """
    if next_sequence <= recorded + 1:
        return None
    return Removed(stream_created, recorded + 1, next_sequence - 1)


def complete_through(last: LastRecorded, stream_last: int, retention: str | None) -> int | None:
    """Return the sequence up to which all messages of a source with a subject filter are recorded.

    None if it is not known: the stream lost its last messages, or has interest or work-queue
    retention, so that messages of other subjects leave it at any time.

    Args:
        last: The last recorded message.
        stream_last: The last sequence of the stream.
        retention: The stream's retention: ``limits``, ``interest`` or ``workqueue``.
    """
    if last.seen_through is None or retention != "limits" or last.seen_through > stream_last:
        return None
    return max(last.sequence, last.seen_through)


class UnbrokenRun:
    """Admits deliveries while their consumer sequences are 1, 2, 3, … without a gap.

    A consumer numbers the deliveries to all its clients. A gap means that another client has pulled
    from it: a deposed leader that does not know it yet, or another program. To record deliveries
    after the gap would skip those of the other client.
    """

    def __init__(self) -> None:
        self._next = 1
        self.broken = False

    def admits(self, consumer_sequence: int) -> bool:
        """Return whether a delivery is the next one; after a gap none is."""
        if self.broken or consumer_sequence != self._next:
            self.broken = True
            return False
        self._next += 1
        return True
