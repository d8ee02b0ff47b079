"""``workflow → events.emit → append``: result events from workflows in any language.

The daemon serves the activity `ACTIVITY`, so a workflow emits without a database and without a
library of the bridge; `bridge.emit.request` describes the argument. Daemons share the task queue;
Temporal gives an emit to any of them.

**Appended once.** The ids of the events are derived from the place of the emit in its run, and their
content comes from the run's history. A retried emit, because its result was lost or a daemon was
killed, finds its events in the store.

**Automatic lineage.** The attributes that an event inherits (`bridge.cloudevents.lineage`) are in the memo
of the run, or of the run that it continues or is a child of. The daemon reads the memo from Temporal once
per run; Python workers send it in headers, which saves that call.

**What is retried.** An invalid argument (``InvalidEmitError``) or an event that the store will never
accept (``ResultRefusedError``) fails without retry. When the store or Temporal is unavailable, only the
attempt fails; the workflow's retry policy applies, by default without limit.
"""

import asyncio
from collections.abc import Sequence
from datetime import timedelta

import structlog
from temporalio.client import Client
from temporalio.runtime import Runtime
from temporalio.service import RPCError
from temporalio.worker import Interceptor, PollerBehaviorSimpleMaximum, Worker
from typing_extensions import override

from bridge.emit.activity import EmitActivities, interceptors
from bridge.emit.request import ACTIVITY
from bridge.lifecycle.backoff import backoff
from bridge.lifecycle.services import TaskService, part_name
from bridge.operations.calls import CallError
from bridge.runtime.strict import DEFAULT_NAMESPACE
from bridge.settings.schema import EmitSettings, TemporalSettings
from bridge.temporal import connect_worker

log = structlog.get_logger(__name__)

_POLLERS = 4
_DRAIN = timedelta(seconds=5)


class Emit(TaskService):
    """Serves the activity in one namespace until stopped, whenever Temporal is available.

    Args:
        activities: The activity.
        temporal: The namespace's address and credentials.
        settings: The task queue.
        runtime: Collects metrics and logs of Temporal's core; default: the SDK's own.
        watched_by: Interceptors that trace the activity.
        known_as: The namespace, as plans call it.
    """

    def __init__(
        self,
        activities: EmitActivities,
        temporal: TemporalSettings,
        settings: EmitSettings,
        runtime: Runtime | None = None,
        watched_by: Sequence[Interceptor] = (),
        known_as: str = DEFAULT_NAMESPACE,
    ) -> None:
        super().__init__(part_name("emit", known_as))
        self._runtime = runtime
        self._watched_by = watched_by
        self._activities = activities
        self._temporal = temporal
        self._settings = settings
        self._worker: Worker | None = None

    def use(self, client: Client) -> None:
        """Replace the client; polls and calls under way finish on the previous one."""
        if self._worker is not None:
            self._worker.client = client

    @override
    async def run(self) -> None:
        """Connect and serve until stopped; reconnect whenever serving ends."""
        self.ready()
        failures = 0
        self.problem = "not connected to Temporal yet"
        while not self.stopping.is_set():
            try:
                client = await self.unless_stopped(
                    connect_worker(self._temporal, self._runtime)
                )
                failures = 0
                if client is not None:
                    await self._serve(client)
            except (CallError, RPCError, RuntimeError) as error:
                failures += 1
                self.problem = str(error)
                pause = backoff(failures)
                log.warning(
                    "emit.not_served",
                    namespace=self._temporal.namespace,
                    task_queue=self._settings.task_queue,
                    error=str(error),
                    next_try_in=round(pause, 1),
                )
                await self.pause(pause)

    async def _serve(self, client: Client) -> None:
        worker = Worker(
            client,
            task_queue=self._settings.task_queue,
            activities=[self._activities.emit],
            interceptors=[*self._watched_by, *interceptors()],
            max_concurrent_activities=self._settings.in_flight,
            activity_task_poller_behavior=PollerBehaviorSimpleMaximum(maximum=_POLLERS),
            graceful_shutdown_timeout=_DRAIN,
        )
        serving = asyncio.create_task(worker.run(), name="emit worker")
        self._worker = worker
        self.problem = None
        log.info(
            "emit.serving",
            namespace=self._temporal.namespace,
            task_queue=self._settings.task_queue,
            activity=ACTIVITY,
        )
        try:
            await self.unless_stopped(asyncio.shield(serving))
            if not serving.done():
                await worker.shutdown()
            await serving
        finally:
            self._worker = None
