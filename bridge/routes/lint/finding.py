"""One thing that lint found."""

from dataclasses import dataclass
from typing import Literal

from bridge.routes.positions import Place

Level = Literal["error", "warning", "note"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that lint found, what it is about, and where it stands."""

    level: Level
    code: str
    what: str
    route: str | None = None
    place: Place | None = None
