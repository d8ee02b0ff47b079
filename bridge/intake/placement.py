"""Where a new leader of a source begins to read. Pure.

What is recorded is the truth; the consumer's state on the server is only set to it. Which
sequence the consumer has to begin at depends on what the stream's retention makes of
acknowledgements:

- *limits*: they remove nothing. It begins after the last recorded message.
- *interest*: a message stays until every consumer has acknowledged it. A killed leader may have
  recorded messages and not acknowledged them, so the consumer begins after its acknowledgement
  floor if that is earlier. What was recorded comes again, is found to be a repeat, and is
  acknowledged.
- *work queue*: the stream holds what nobody has acknowledged, and nothing else; whatever a reset
  skipped would stay in it for ever. The consumer begins at the beginning.
"""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class LastRecorded:
    """The last message of a source that is recorded.

    Attributes:
        sequence: Its sequence in the stream; 0 if nothing is recorded yet.
        arrived_ns: When the stream took it, in nanoseconds since 1970; None if not known. With
            the sequence it tells the message from another one at the same place.
    """

    sequence: int = 0
    arrived_ns: int | None = None


@dataclass(frozen=True, slots=True)
class Removed:
    """Messages that left the stream before they were recorded: sequences, both included."""

    stream_created: datetime
    first: int
    through: int


def begin_at(retention: str | None, recorded: int, floor: int | None) -> int:
    """Return the sequence at which the consumer has to begin, 1 or later.

    Args:
        retention: Of the stream: ``limits``, ``interest`` or ``workqueue``.
        recorded: The last recorded sequence; 0 to begin at the beginning.
        floor: Up to which sequence the consumer's messages are acknowledged; None when the
            consumer was created just now, so that it has no messages to acknowledge.
    """
    if retention == "workqueue":
        return 1
    if retention == "interest" and floor is not None:
        return min(recorded, floor) + 1
    return recorded + 1


def removed_before(
    stream_created: datetime, recorded: int, next_sequence: int
) -> Removed | None:
    """Return what must have left the stream between the last recorded and the next message.

    Only for a source that is a whole stream: in a part of one, the sequences in between may be
    other subjects'.

    Args:
        stream_created: When the stream was created.
        recorded: The last recorded sequence; 0 if nothing is recorded, so that nothing is known.
        next_sequence: That of the first message after it that the stream has or will have.
    """
    if recorded == 0 or next_sequence <= recorded + 1:
        return None
    return Removed(stream_created, recorded + 1, next_sequence - 1)


class UnbrokenRun:
    """Admits deliveries while their consumer sequences are 1, 2, 3, … without a gap.

    A consumer numbers its deliveries, whoever pulls them. A gap means that somebody else has
    pulled from it: a deposed leader that does not know it yet, or another program. Whoever
    recorded what comes after the gap would pass over what the other one got.
    """

    def __init__(self) -> None:
        self._next = 1
        self.broken = False

    def admits(self, consumer_sequence: int) -> bool:
        """Tell whether a delivery is the next one; nothing is admitted after a gap."""
        if self.broken or consumer_sequence != self._next:
            self.broken = True
            return False
        self._next += 1
        return True
