"""Emits served in the test's own process, for workers that a test runs by itself."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

from temporalio.client import Client
from temporalio.worker import Interceptor

from bridge.emit import activity
from bridge.settings.schema import TemporalSettings
from bridge.temporal import Gateway
from eventstore.store import EventStore
from workflows.platform.lineage import CarriesLineage


def activities(client: Client, store: EventStore) -> list[Callable[..., Any]]:
    """The bridge's emit activity, over a store of the test's own."""
    memos = Gateway(client, TemporalSettings(namespace=client.namespace))
    return [activity.EmitActivities(store, memos, namespace, unlimited, at_once).emit]


async def at_once(function: Callable[[bytes], bytes], argument: bytes) -> bytes:
    """Do work on the event loop."""
    return function(argument)


async def unlimited() -> int | None:
    """Return that the limit of the stream of results is not known."""
    return None


async def namespace() -> UUID:
    """Return what a store of the bridge's keeps as its secret."""
    return UUID("c1f1a3a2-6c5f-4f0e-8a53-0f3d2f6f1a11")


def interceptors(task_queue: str) -> list[Interceptor]:
    """Have a worker's workflows emit on the queue that serves `activities`."""
    return [CarriesLineage(task_queue), *activity.interceptors()]
