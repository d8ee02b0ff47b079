"""How long dispatches, deliveries and the bodies of events are kept: settings."""

from typing import Annotated

from pydantic import Field, field_validator, model_validator

from bridge.runtime.durations import Duration
from bridge.settings.source_settings import Section

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
    """How long dispatches, deliveries and the bodies of events are kept; default: for ever.

    Rows of events are never removed, so a repeat is recognised at any age.
    """

    dispatches: Duration | None = None
    """Remove dispatches that were settled longer ago than this."""
    deliveries: Duration | None = None
    """Remove deliveries that intake recorded longer ago than this."""
    events: tuple[EventRetention, ...] = ()
    """What `ntbridge store prune` removes; the daemon does not."""
    archive: str | None = Field(None, pattern=r"^(file:///|s3://|gs://|az://)[^@?\s]+$")
    """Where bodies are written before they are removed: a folder or an object store, as a URL.
    Credentials come from the environment (``AWS_ACCESS_KEY_ID`` …)."""

    @model_validator(mode="after")
    def _are_different(self) -> "RetentionSettings":
        names = [rule.category for rule in self.events]
        if len(names) != len(set(names)):
            raise ValueError("events: two rules for one category; give one")
        return self
