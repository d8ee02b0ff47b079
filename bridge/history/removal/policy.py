"""The policy: which events lose their bodies, and when. Pure.

Each rule removes the bodies of events that are older than its age, of one category (what stands
before the first ``-`` in a stream's name) or of all categories that no other rule names.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

import msgspec

from bridge.settings.retention import EventRetention
from eventstore.events import StoredEvent
from eventstore.filters import category_of


class PruneRule(msgspec.Struct, frozen=True, kw_only=True):
    """Which events one prune takes.

    Attributes:
        older_than: Seconds since they were recorded.
        category: Only those of one category.
        but: Categories that other rules name.
        attributes: Attributes that go with the data.
    """

    older_than: float
    category: str | None = None
    but: tuple[str, ...] = ()
    attributes: tuple[str, ...] = ()

    def before(self, now: datetime) -> datetime:
        """Return the time before which events must have been recorded."""
        return now - timedelta(seconds=self.older_than)

    def takes(self, stored: StoredEvent) -> bool:
        """Return whether an event that is old enough is meant, and has its body."""
        if stored.removal is not None:
            return False
        category = category_of(stored.stream)
        if self.category is not None:
            return category == self.category
        return category not in self.but


def rules_of(retention: Sequence[EventRetention]) -> list[PruneRule]:
    """Return the rules that the settings have."""
    named = tuple(rule.category for rule in retention if rule.category is not None)
    return [
        PruneRule(
            older_than=rule.older_than,
            category=rule.category,
            but=named if rule.category is None else (),
            attributes=rule.attributes,
        )
        for rule in retention
    ]
