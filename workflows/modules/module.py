"""A module, the resources that its builder receives, and the choice of adapters by name."""

import os
import pkgutil
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from bridge.runtime.errors import ObjectStoreError
from bridge.runtime.object_store import ObjectStore
from eventstore.database import Database
from eventstore.store import EventStore
from workflows.adapters.models.governed import GovernedModel
from workflows.config import WorkerSettings
from workflows.errors import InvalidSettingError
from workflows.modules.models import language_model

if TYPE_CHECKING:  # the package is optional
    from workflows.adapters.redis.server import SharedRedis

ActivityMethod = Callable[..., Any]
Port = TypeVar("Port")


class Part(Protocol):
    """What a worker runs besides its activities, while it serves a module."""

    async def start(self) -> None:
        """Return when it is ready; called before the worker takes work."""

    async def stop(self) -> None:
        """End it; called after the worker's last activity. May be called without a start."""


@dataclass(frozen=True)
class Module:
    """Workflows and activities that one worker serves together, and the parts that they need."""

    workflows: tuple[type, ...]
    activities: tuple[ActivityMethod, ...]
    parts: tuple[Part, ...] = ()


@dataclass(frozen=True)
class WorkerResources:
    """What a worker gives to adapters: settings, a connected database, the event store, and Redis."""

    settings: WorkerSettings
    database: Database
    store: EventStore
    redis: "SharedRedis | None" = None

    @cached_property
    def objects(self) -> ObjectStore:
        """The object store of the settings, which all workers share.

        Raises:
            InvalidSettingError: It cannot be opened.
        """
        try:
            return ObjectStore.open(self.settings.artefact_store)
        except ObjectStoreError as error:
            raise InvalidSettingError(f"NTBRIDGE_WORKER_ARTEFACTS: {error}") from error

    @cached_property
    def model(self) -> GovernedModel:
        """The language model of the settings; one for all modules, so that they share its limits."""
        return language_model(self.settings.openai, self.redis)


def worker_name() -> str:
    """Return the name of this worker, for people."""
    return f"{os.getpid()}@{socket.gethostname()}"


Builder = Callable[[WorkerResources], Module]


def adapter(
    setting: str,
    name: str,
    builtin: Mapping[str, Callable[[], Port]],
    resources: WorkerResources,
) -> Port:
    """Create the adapter that a setting names.

    Args:
        setting: The name of the setting, for errors.
        name: A key of ``builtin``, or ``package.module:factory``. A factory is called with the
            resources and returns an object with the methods of the port.
        builtin: Factories of the built-in adapters, by name.
        resources: What adapters may use.

    Raises:
        InvalidSettingError: The factory cannot be imported or called.
    """
    if name in builtin:
        return builtin[name]()
    try:
        factory = pkgutil.resolve_name(name)
    except (ImportError, AttributeError) as error:
        raise InvalidSettingError(f"{setting}: {name} cannot be imported: {error}") from error
    if not callable(factory):
        raise InvalidSettingError(f"{setting}: {name} is not a function")
    created: Port = factory(resources)
    return created
