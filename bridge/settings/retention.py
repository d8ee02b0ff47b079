"""How long dispatches, deliveries, and the bodies and rows of events are kept: settings."""

from typing import Annotated

from pydantic import Field, field_validator, model_validator

from bridge.runtime.durations import Duration
from bridge.settings.source_settings import Section

MIN_ROWS_SECONDS = 86_400.0
"""No publisher's attempts to repeat an event may take longer than rows stay."""

AttributeName = Annotated[str, Field(pattern=r"^[a-z0-9]{1,100}$")]


class EventRetention(Section):
    """After which time `ntbridge store prune` removes the bodies of events."""

    older_than: Duration
    """Events that were recorded longer ago than this."""
    category: str | None = Field(None, min_length=1)
    """Only events of this category: what stands before the first ``-`` in the name of the stream.
    Default: of every category that no other rule names."""
    attributes: tuple[AttributeName, ...] = ()
    """Attributes to remove too, such as ``subject``; default: only the data."""

    @field_validator("attributes")
    @classmethod
    def _may_go(cls, attributes: tuple[str, ...]) -> tuple[str, ...]:
        kept = sorted({"id", "source", "type", "specversion", "data"}.intersection(attributes))
        if kept:
            raise ValueError(
                f"{', '.join(kept)}: id, source and type stay, and data always goes"
            )
        return attributes


class RetentionSettings(Section):
    """How long dispatches, deliveries, and bodies and rows of events are kept; default: for ever.

    A repeat of an event is recognised for as long as the event has its row.
    """

    dispatches: Duration | None = None
    """Remove dispatches that were settled longer ago than this."""
    deliveries: Duration | None = None
    """Remove deliveries that intake recorded longer ago than this."""
    events: tuple[EventRetention, ...] = ()
    """What `ntbridge store prune` removes; the daemon does not."""
    rows: Duration | None = Field(None, ge=MIN_ROWS_SECONDS)
    """Delete the rows of events that were recorded longer ago than this and have lost their bodies, by
    `ntbridge store prune`: choose a time after which no publisher repeats an event. Rows stay while
    a message that old is on a stream, and the last one of each stream of the store stays."""
    archive: str | None = Field(None, pattern=r"^(file:///|s3://|gs://|az://)[^@?\s]+$")
    """Where bodies are written before they are removed: a folder or an object store, as a URL.
    Credentials come from the environment (``AWS_ACCESS_KEY_ID`` …)."""

    @model_validator(mode="after")
    def _are_different(self) -> "RetentionSettings":
        names = [rule.category for rule in self.events]
        if len(names) != len(set(names)):
            raise ValueError("events: two rules for one category; give one")
        return self
