"""The worker: polls Temporal for the work of its modules until it is stopped.

Temporal and Postgres may be down at the start and at any later time. At the start the worker
waits for both and logs each attempt. Later, Temporal's core keeps polling, and the policy of
the emit step retries when the bridge or the store is down.
"""

import asyncio
import os
import socket
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from datetime import timedelta
from typing import TypeVar

import structlog
from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import (
    DescribeNamespaceRequest,
    DescribeTaskQueueRequest,
)
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.runtime import Runtime
from temporalio.service import RPCError
from temporalio.worker import Interceptor, PollerBehaviorSimpleMaximum, Worker

from bridge.runtime import temporal_client
from bridge.runtime.codec import data_converter
from bridge.runtime.errors import ConnectionFileError
from bridge.runtime.findings import Finding
from bridge.runtime.temporal_client import RENEWAL_SECONDS, ClientRenewal
from eventstore.database import Database
from eventstore.errors import Unavailable
from eventstore.store import EventStore
from workflows.config import WorkerSettings
from workflows.errors import InvalidSettingError
from workflows.modules import build, queues_of
from workflows.modules.models import shared_redis
from workflows.modules.module import Module, WorkerResources
from workflows.platform.lineage import CarriesLineage
from workflows.worker.checks import redis_finding
from workflows.worker.health import WorkerHealth
from workflows.worker.measuring import begin_counting
from workflows.worker.model_watch import ModelWatch
from workflows.worker.sandbox import sandbox
from workflows.worker.versioning import deployment_config, make_current, version_of

_log = structlog.get_logger(__name__)

Connected = TypeVar("Connected")

_RESERVE_SECONDS = 5.0
"""Seconds of the stop deadline reserved for cancelled activities and closing."""

HEARD_WITHIN = timedelta(seconds=2)
"""Minimum interval of heartbeats to the server; an activity learns of its cancellation by one."""

MAX_RETRY_PAUSE = 5.0
"""Longest pause between two attempts to connect, in seconds."""


class PipelineWorker:
    """One worker process: a Temporal worker for each task queue of its modules.

    Args:
        settings: Modules, queues and servers.
        interceptors: Interceptors of its runs and activities.
    """

    name = "worker"

    def __init__(
        self, settings: WorkerSettings, interceptors: Sequence[Interceptor] = ()
    ) -> None:
        self._settings = settings
        self._interceptors = interceptors
        self.health = WorkerHealth(settings)
        self._queues = queues_of(settings)
        self._identity = f"{os.getpid()}@{socket.gethostname()}"
        self._open = AsyncExitStack()
        self._workers: list[Worker] = []
        self._running: list[asyncio.Task[None]] = []
        self._renewal = ClientRenewal(settings.temporal)

    async def start(self) -> None:
        """Connect, without a deadline, and return when every queue is polled."""
        if self._running:
            return
        database = await self._patiently("postgres", self._connect_to_store)
        self._open.push_async_callback(database.close)
        redis = shared_redis(self._settings.redis_url)
        if redis is not None:
            self._open.push_async_callback(redis.close)
        resources = WorkerResources(self._settings, database, EventStore(database), redis)
        client = await self._patiently("temporal", self._connect_to_temporal)
        modules = self._built(resources)
        for part in (part for module in modules.values() for part in module.parts):
            self._open.push_async_callback(part.stop)
            await part.start()
        for queue, module in modules.items():
            worker = self._worker(client, queue, module)
            self._workers.append(worker)
            self._running.append(asyncio.create_task(worker.run(), name=f"worker {queue}"))
        for queue, module in modules.items():
            await self._polled(client, queue, module)
        for queue, module in modules.items():
            begin_counting(
                Runtime.default().metric_meter, client.namespace, queue, module.workflows
            )
        if self._settings.make_current and (version := version_of(self._settings)):
            await make_current(client, version, self._identity)
        self.health.serves(client, database)
        self._watch(resources)
        if self._renewal.files:
            renewing = asyncio.create_task(self._renew(database), name="temporal renewal")
            self._open.callback(renewing.cancel)
        if plain := self._settings.plain_connections:
            _log.warning(
                "insecure is set: connections do not require TLS",
                servers=[str(each) for each in plain],
            )
        _log.info(
            "worker ready",
            queues={queue: list(names) for queue, names in self._queues.items()},
            temporal=self._settings.temporal.address,
            namespace=self._settings.temporal.namespace,
            identity=self._identity,
            build=self._settings.build_id,
        )

    def _watch(self, resources: WorkerResources) -> None:
        """Make readiness depend on the language model, and show the state of Redis."""
        if self._settings.asks_model:
            watch = ModelWatch(self._settings.openai, resources.model)

            async def last() -> Finding:
                return watch.finding

            watching = asyncio.create_task(watch.run(), name="language model")
            self._open.callback(watching.cancel)
            self.health.looks_at(last)
        redis = resources.redis
        if redis is not None:

            async def look() -> Finding:
                return redis_finding(await redis.check())

            self.health.looks_at(look)

    def _built(self, resources: WorkerResources) -> dict[str, Module]:
        """Build the modules of each queue, including their folders."""
        try:
            return {queue: build(names, resources) for queue, names in self._queues.items()}
        except OSError as error:
            raise InvalidSettingError(
                f"NTBRIDGE_WORKER_STATE, or another file or folder that the settings name, cannot "
                f"be used: {error}"
            ) from error

    async def wait(self) -> None:
        """Return when the worker was stopped; raise the error if it failed."""
        # Not gathered: cancelling this wait must not cancel the worker.
        ended, _ = await asyncio.wait(self._running, return_when=asyncio.FIRST_EXCEPTION)
        for worker in ended:
            worker.result()

    async def stop(self) -> None:
        """Take no more work, give running work time to finish, and disconnect."""
        self.health.stops()
        await asyncio.gather(
            *(worker.shutdown() for worker in self._workers if worker.is_running)
        )
        await asyncio.gather(*self._running, return_exceptions=True)
        self._workers.clear()
        self._running.clear()
        await self._open.aclose()

    async def _connect_to_store(self) -> Database:
        return await Database.connect(self._settings.database_url.get_secret_value())

    async def _connect_to_temporal(self) -> Client:
        settings = self._settings
        try:
            client = await temporal_client.connect(
                settings.temporal,
                data_converter=data_converter(
                    settings.codec,
                    settings.temporal.namespace,
                    pydantic_data_converter,
                    settings.payloads,
                ),
                identity=self._identity,
            )
        except ConnectionFileError as error:
            raise InvalidSettingError(str(error)) from error
        # A server that has just started may not have created its namespace yet.
        await client.workflow_service.describe_namespace(
            DescribeNamespaceRequest(namespace=client.namespace)
        )
        return client

    async def _renew(self, database: Database) -> None:
        """Replace the client of every queue whenever a certificate or the API key has changed."""

        def use(client: Client) -> None:
            for worker in self._workers:
                worker.client = client
            self.health.serves(client, database)
            _log.info("Temporal's certificate or key was renewed")

        while True:
            await asyncio.sleep(RENEWAL_SECONDS)
            try:
                await self._renewal.look(self._connect_to_temporal, use)
            except (RuntimeError, RPCError, InvalidSettingError) as error:
                _log.warning(
                    "Temporal's renewed certificate or key cannot be used, trying again",
                    reason=str(error),
                )

    def _worker(self, client: Client, queue: str, module: Module) -> Worker:
        return Worker(
            client,
            task_queue=queue,
            workflows=module.workflows,
            activities=module.activities,
            workflow_runner=sandbox(),
            # For two cores: enough in flight to hide the round trips, and little to lose when
            # the process is killed. Scale by running more workers.
            max_cached_workflows=500,
            max_concurrent_workflow_tasks=20,
            max_concurrent_activities=50,
            workflow_task_poller_behavior=PollerBehaviorSimpleMaximum(maximum=4),
            activity_task_poller_behavior=PollerBehaviorSimpleMaximum(maximum=4),
            interceptors=[
                # A codec leaves headers readable, so the daemon reads the lineage from the memo.
                CarriesLineage(
                    self._settings.events_queue, in_headers=not self._settings.codec.is_on
                ),
                *self._interceptors,
            ],
            graceful_shutdown_timeout=timedelta(
                seconds=self._settings.stop_within - _RESERVE_SECONDS
            ),
            deployment_config=deployment_config(self._settings),
            # A heartbeat is also how a step learns of its cancellation.
            max_heartbeat_throttle_interval=HEARD_WITHIN,
        )

    async def _polled(self, client: Client, queue: str, module: Module) -> None:
        """Return when the server reports our poller on the queue, or when a worker has failed."""
        # A module may have only workflows or only activities.
        kind = (
            TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY
            if module.activities
            else TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW
        )
        while not any(running.done() for running in self._running):
            try:
                described = await client.workflow_service.describe_task_queue(
                    DescribeTaskQueueRequest(
                        namespace=client.namespace,
                        task_queue=TaskQueue(name=queue),
                        task_queue_type=kind,
                    )
                )
            except RPCError as error:
                _log.warning("waiting for temporal", reason=error.message)
            else:
                if any(poller.identity == self._identity for poller in described.pollers):
                    return
            await asyncio.sleep(0.1)
        await self.wait()

    async def _patiently(
        self, server: str, connect: Callable[[], Awaitable[Connected]]
    ) -> Connected:
        """Retry ``connect`` until the server answers."""
        wait = 0.2
        while True:
            try:
                connected = await connect()
            except (RuntimeError, RPCError, OSError, Unavailable) as error:
                # The client raises a plain RuntimeError when it cannot reach a server.
                _log.warning(
                    "server away, trying again", server=server, reason=str(error), wait=wait
                )
                self.health.waits_for(server, error)
            else:
                self.health.waits_for(server, None)
                return connected
            await asyncio.sleep(wait)
            wait = min(wait * 2, MAX_RETRY_PAUSE)
