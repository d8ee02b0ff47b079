"""What a module is, and what its builder is given."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from eventstore.database import Database
from eventstore.store import EventStore
from workflows.config import WorkerSettings

ActivityMethod = Callable[..., Any]


@dataclass(frozen=True)
class Module:
    """Workflows and activities that one worker serves together."""

    workflows: tuple[type, ...]
    activities: tuple[ActivityMethod, ...]


@dataclass(frozen=True)
class Means:
    """What a worker has that adapters may need; the settings decide which adapters there are."""

    settings: WorkerSettings
    database: Database
    store: EventStore


Builder = Callable[[Means], Module]
