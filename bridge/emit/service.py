"""``workflow → events.emit → append``: result events from workflows in any language.

The daemon itself serves the activity `ACTIVITY`, so a workflow emits without a database and
without a library of ours: `bridge.emit.request` says with what argument. Daemons share
the task queue, and Temporal hands an emit to any of them.

**Appended once.** The ids of the events follow from where in which run they were emitted, and
their content is what the run's history holds. An emit that is tried again, because its answer
was lost or a daemon was killed, finds its events in the store.

**Lineage without the author's doing.** What an event inherits (`bridge.cloudevents.lineage`) is in the
memo of the run, or of the one that it continues or is a child of. Temporal is asked once for
each run; the Python workers send it along as headers, which saves even that.

**Who waits, and who does not.** What is no result event fails at once and for good
(``InvalidEmitError``), likewise what the store will never take (``ResultRefusedError``).
A store or a Temporal that is away fails the try only: how often the activity is tried again
is the workflow's own policy, without end by default.
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
from bridge.lifecycle.services import TaskService
from bridge.operations.calls import CallError
from bridge.settings.schema import EmitSettings, TemporalSettings
from bridge.temporal import connect_worker

log = structlog.get_logger(__name__)

_POLLERS = 4
_DRAIN = timedelta(seconds=5)


class Emit(TaskService):
    """Serves the activity until stopped, whenever Temporal is there.

    Args:
        activities: The activity, apart from who polls for it.
        temporal: Where Temporal is.
        settings: Of the task queue.
        runtime: What measures and logs for Temporal's core; default: the SDK's own.
        watched_by: What traces the activity, if anything does.
    """

    def __init__(
        self,
        activities: EmitActivities,
        temporal: TemporalSettings,
        settings: EmitSettings,
        runtime: Runtime | None = None,
        watched_by: Sequence[Interceptor] = (),
    ) -> None:
        super().__init__("emit")
        self._runtime = runtime
        self._watched_by = watched_by
        self._activities = activities
        self._temporal = temporal
        self._settings = settings

    @override
    async def run(self) -> None:
        """Connect and serve, and again whenever that ends, until stopped."""
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
        self.problem = None
        log.info("emit.serving", task_queue=self._settings.task_queue, activity=ACTIVITY)
        await self.unless_stopped(asyncio.shield(serving))
        if not serving.done():
            await worker.shutdown()
        await serving
