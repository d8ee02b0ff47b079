"""The settings of one source of events. Pure: the routes file has sources too."""

import re
from hashlib import sha256

from pydantic import ConfigDict, Field

from bridge.runtime.strict import NoTruthForNumber


class Section(NoTruthForNumber):
    """A group of settings; an unknown key is an error."""

    # On every model, because nested models do not inherit "forbid".
    model_config = ConfigDict(extra="forbid", frozen=True)


class SourceSettings(Section):
    """A stream, or the part of one, whose messages are domain events."""

    stream: str = Field("EVENTS", pattern=r"^[A-Za-z0-9_-]+$")
    subject: str | None = None
    """Only messages on subjects that match this filter (``*`` and ``>``); default: all."""
    consumer: str = Field("ntbridge", pattern=r"^[A-Za-z0-9_-]+$")
    """Name of the durable consumer on the server; with ``subject``, the prefix of its name."""

    @property
    def durable(self) -> str:
        """The name of the durable consumer: one for each stream and subject filter."""
        if self.subject is None:
            return self.consumer
        shown = re.sub(r"[^A-Za-z0-9_]+", "_", self.subject).strip("_")[:40] or "all"
        return f"{self.consumer}-{shown}-{sha256(self.subject.encode()).hexdigest()[:8]}"

    @property
    def name(self) -> str:
        """The name in logs and leases."""
        return f"{self.stream}/{self.durable}"
