"""What a planned dispatch asks for before it may be called: a slot, a window. Pure."""

from typing import Literal

import msgspec

from bridge.flow.windows import WindowPlan

WhenFull = Literal["queue", "skip", "cancel_running", "replace_queued"]
"""What to do with an event whose key has no free slot."""


class SlotPlan(msgspec.Struct, frozen=True, kw_only=True):
    """The slot that a dispatch needs; it holds the slot until its run has ended."""

    key: str
    limit: int = 1
    """How many slots the key has."""
    when_full: WhenFull = "queue"


class FlowPlan(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The slot and the window of a dispatch, as its row stores them."""

    slot: SlotPlan | None = None
    window: WindowPlan | None = None

    @property
    def first_state(self) -> Literal["open", "queued", "gathering"]:
        """The state in which the dispatch is inserted; the same commit may then change it."""
        if self.window is not None:
            return "gathering"
        return "open" if self.slot is None else "queued"
