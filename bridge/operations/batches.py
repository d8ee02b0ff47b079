"""What each event of a batch gives its call, read from the event's own planned call. Pure.

The events of a window are planned one by one, each with its own expressions evaluated. The call that is made for
all of them is that of the last event; of the others, only what they give is used.
"""

import msgspec

from bridge.operations.targets import PlannedTarget

Value = msgspec.Raw | msgspec.UnsetType


class _Argument(msgspec.Struct, frozen=True):
    value: Value = msgspec.UNSET
    bare: bool = False


class Given(msgspec.Struct, frozen=True):
    """What a planned call gives, whatever its operation."""

    input: Value = msgspec.UNSET
    """Of a start."""
    argument: _Argument | None = None
    """Of a signal or update."""
    target: PlannedTarget = PlannedTarget()

    @property
    def value(self) -> Value:
        """JSON that replaces the event's data; unset: the data."""
        return self.input if self.argument is None else self.argument.value

    @property
    def bare(self) -> bool:
        """Whether the value is given without an envelope."""
        return self.argument is not None and self.argument.bare


def given(call: bytes) -> Given:
    """Return what a planned call gives."""
    return msgspec.json.decode(call, type=Given)
