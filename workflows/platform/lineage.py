"""The interceptor that passes the lineage of a run to its emits and child workflows.

A run that the bridge started has a memo: ``ce`` has the attributes of the triggering event,
``bridge`` has the bridge's own data about it. The interceptor ensures that

* an emit carries the memo in its headers, so the daemon need not ask Temporal for it;
* child workflows in any language get the same memo;
* a run that continues as new with another memo keeps these two fields;
* emits go to the task queue of the worker's settings.

A worker without this interceptor loses nothing: the daemon reads the memo of the run itself, or
that of the run that it continues or of its parent.
"""

from collections.abc import Mapping
from typing import Any, NoReturn

from temporalio import workflow
from temporalio.common import RawValue
from temporalio.worker import (
    ContinueAsNewInput,
    Interceptor,
    StartActivityInput,
    StartChildWorkflowInput,
    WorkflowInboundInterceptor,
    WorkflowInterceptorClassInput,
    WorkflowOutboundInterceptor,
)
from typing_extensions import override

EMIT = "events.emit"
"""The activity of the bridge that appends result events."""
EVENTS_QUEUE = "ntbridge-events"
"""The default task queue of the emit activity."""

_MEMBERS = ("ce", "bridge")
_HEADER_PREFIX = "ntbridge-"


class CarriesLineage(Interceptor):
    """The interceptor of the workers.

    Args:
        events_queue: The task queue on which the bridge serves `EMIT`.
        in_headers: Whether emits carry the memo in their headers; without it the daemon reads the memo
            from Temporal, once per run.
    """

    def __init__(self, events_queue: str = EVENTS_QUEUE, *, in_headers: bool = True) -> None:
        self._queue = events_queue
        self._in_headers = in_headers

    @override
    def workflow_interceptor_class(
        self, input: WorkflowInterceptorClassInput
    ) -> type[WorkflowInboundInterceptor]:
        queue, in_headers = self._queue, self._in_headers

        class Inbound(WorkflowInboundInterceptor):
            @override
            def init(self, outbound: WorkflowOutboundInterceptor) -> None:
                super().init(_Outbound(outbound, queue, in_headers=in_headers))

        return Inbound


class _Outbound(WorkflowOutboundInterceptor):
    def __init__(
        self, outbound: WorkflowOutboundInterceptor, queue: str, *, in_headers: bool
    ) -> None:
        super().__init__(outbound)
        self._queue = queue
        self._in_headers = in_headers

    @override
    def start_activity(self, input: StartActivityInput) -> workflow.ActivityHandle[Any]:
        if input.activity == EMIT:
            memo = workflow.info().raw_memo if self._in_headers else {}
            carried = {_HEADER_PREFIX + name: memo[name] for name in _MEMBERS if name in memo}
            input.headers = {**input.headers, **carried}
            input.task_queue = self._queue
        return super().start_activity(input)

    @override
    async def start_child_workflow(
        self, input: StartChildWorkflowInput
    ) -> workflow.ChildWorkflowHandle[Any, Any]:
        input.memo = _with_lineage(input.memo)
        return await super().start_child_workflow(input)

    @override
    def continue_as_new(self, input: ContinueAsNewInput) -> NoReturn:
        # Without an explicit memo, the next run inherits this one's.
        if input.memo is not None:
            input.memo = _with_lineage(input.memo)
        super().continue_as_new(input)


def _with_lineage(memo: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    own = workflow.info().raw_memo
    carried = {name: RawValue(own[name]) for name in _MEMBERS if name in own}
    return {**carried, **(memo or {})} if carried else memo
