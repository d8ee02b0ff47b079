"""The bridge's own tables and statements; one statement a file."""

from collections.abc import Callable, Iterator, Sequence
from typing import Final, TypeVar

from eventstore.migrate import Component
from eventstore.statements import Statements

STATEMENTS = Statements("bridge.sql.statements")
COMPONENT = Component("bridge", "bridge.sql.migrations")

PIECE_BYTES: Final = 8 * 2**20
"""Most that goes into one statement, unless a single member is larger: its arguments are encoded in
one turn of the event loop, which takes 1 to 2 ms a MB."""

_Member = TypeVar("_Member")


def in_pieces(
    members: Sequence[_Member], size: Callable[[_Member], int]
) -> Iterator[Sequence[_Member]]:
    """Yield members, in their order, in pieces that one statement takes; ``size`` is in bytes."""
    start, total = 0, 0
    for end, member in enumerate(members):
        mine = size(member)
        if start < end and total + mine > PIECE_BYTES:
            yield members[start:end]
            start, total = end, 0
        total += mine
    if start < len(members):
        yield members[start:]
