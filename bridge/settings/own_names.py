"""The names of the bridge's own streams and subjects. Pure."""

from itertools import pairwise

from pydantic import Field, field_validator, model_validator

from bridge.settings.source_settings import Section

_STREAM_NAME = r"^[A-Za-z0-9_-]+$"
_SUBJECT_ROOT = r"^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$"


class StreamNames(Section):
    """The names of the bridge's own streams.

    None for `replay` or `dead_letters`: there is no such stream. ``ntbridge migrate`` then does not
    create it, and nothing is published to it.
    """

    events: str = Field("EVENTS", pattern=_STREAM_NAME)
    results: str = Field("RESULTS", pattern=_STREAM_NAME)
    replay: str | None = Field("REPLAY", pattern=_STREAM_NAME)
    dead_letters: str | None = Field("DEADLETTERS", pattern=_STREAM_NAME)

    @field_validator("replay", "dead_letters", mode="before")
    @classmethod
    def _none(cls, name: object) -> object:
        """Read ``null`` in an environment variable, where every value is text."""
        return None if name == "null" else name

    @model_validator(mode="after")
    def _are_different(self) -> "StreamNames":
        if len(set(self.all)) < len(self.all):
            raise ValueError("the bridge's own streams need different names")
        return self

    @property
    def all(self) -> tuple[str, ...]:
        """The names, without the prefix."""
        names = self.events, self.results, self.replay, self.dead_letters
        return tuple(name for name in names if name is not None)


class SubjectRoots(Section):
    """What the subjects of the bridge's own streams begin with."""

    events: str = Field("events", pattern=_SUBJECT_ROOT)
    results: str = Field("results", pattern=_SUBJECT_ROOT)
    replay: str = Field("replay", pattern=_SUBJECT_ROOT)
    dead_letters: str = Field("deadletters", pattern=_SUBJECT_ROOT)

    @model_validator(mode="after")
    def _are_apart(self) -> "SubjectRoots":
        roots = sorted(f"{root}." for _, root in self.by_topic)
        overlapping = [a for a, b in pairwise(roots) if b.startswith(a)]
        if overlapping:
            message = f"the subjects of two own streams begin with {overlapping[0]!r}"
            raise ValueError(message)
        return self

    @property
    def by_topic(self) -> tuple[tuple[str, str], ...]:
        """The first token of a topic of each own stream, and what its subjects begin with."""
        return (
            ("events", self.events),
            ("results", self.results),
            ("replay", self.replay),
            ("deadletters", self.dead_letters),
        )
