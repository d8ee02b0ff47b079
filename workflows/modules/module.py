"""What a module is, and what its builder is given."""

import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from eventstore.database import Database
from eventstore.store import EventStore
from workflows.config import WorkerSettings
from workflows.errors import InvalidSettingError

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


# Adapters by the names that the settings give them: ours, or a team's own.

Port = TypeVar("Port")


def adapter(
    setting: str, named: str, ours: Mapping[str, Callable[[], Port]], means: Means
) -> Port:
    """Make the adapter that a setting names.

    Args:
        setting: The setting's name, for errors.
        named: One of ``ours``, or ``package.module:factory``: that is called with the means, and
            returns an object with the methods of the port.
        ours: How those are made that have a name of their own.
        means: What adapters may need.

    Raises:
        InvalidSettingError: There is no such factory.
    """
    if named in ours:
        return ours[named]()
    try:
        factory = pkgutil.resolve_name(named)
    except (ImportError, AttributeError) as error:
        raise InvalidSettingError(f"{setting}: {named} cannot be imported: {error}") from error
    if not callable(factory):
        raise InvalidSettingError(f"{setting}: {named} is no function")
    made: Port = factory(means)
    return made
