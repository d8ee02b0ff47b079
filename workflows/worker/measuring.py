"""Measures runs and activities and adds their ids to log lines, for every workflow.

Runs are measured through Temporal's own meter, which records nothing during a replay, so each
run counts once. One exception: if a worker dies in the first workflow task of a run, before
Temporal stores its completion, that run counts twice.
"""

import time
from collections.abc import Iterable, Mapping
from typing import Any

import structlog
from temporalio import activity, workflow
from temporalio.common import MetricMeter
from temporalio.exceptions import FailureError, is_cancelled_exception
from temporalio.worker import (
    ActivityInboundInterceptor,
    ExecuteActivityInput,
    ExecuteWorkflowInput,
    Interceptor,
    WorkflowInboundInterceptor,
    WorkflowInterceptorClassInput,
)
from typing_extensions import override

from workflows.messages.usage import Usage


class Measuring(Interceptor):
    """The interceptor of the workers. `workflows.worker.telemetry` lists the metrics."""

    @override
    def intercept_activity(
        self, next: ActivityInboundInterceptor
    ) -> ActivityInboundInterceptor:
        return _Activities(next)

    @override
    def workflow_interceptor_class(
        self, input: WorkflowInterceptorClassInput
    ) -> type[WorkflowInboundInterceptor]:
        return _Runs


def begin_counting(
    meter: MetricMeter, namespace: str, task_queue: str, workflows: Iterable[type]
) -> None:
    """Set the counters of runs to zero before the first run.

    Otherwise a first failed run would show no increase, and ratios would have no denominator.
    """
    for definition in workflows:
        # The SDK has no public API for the name given to `workflow.defn`.
        found = workflow._Definition.from_class(definition)  # noqa: SLF001
        if found is None or found.name is None:
            continue
        own = meter.with_additional_attributes(
            {"namespace": namespace, "task_queue": task_queue, "workflow_type": found.name}
        )
        own.create_counter("workflow_started_total").add(0)
        own.create_counter("workflow_completed_total").add(0)
        for reason in ("failed", "cancelled"):
            own.create_counter("workflow_failed_total").add(0, {"reason": reason})


class _Runs(WorkflowInboundInterceptor):
    @override
    async def execute_workflow(self, input: ExecuteWorkflowInput) -> Any:
        if workflow.info().continued_run_id is None:
            _count("workflow_started_total")
        try:
            result = await super().execute_workflow(input)
        except BaseException as error:
            _ended_by(error)
            raise
        _count("workflow_completed_total")
        _took()
        return result


def _ended_by(error: BaseException) -> None:
    """Count an error that ends the run.

    Continue-as-new does not end it. Any other exception fails only the workflow task, which
    Temporal retries.
    """
    if is_cancelled_exception(error):
        _count("workflow_failed_total", {"reason": "cancelled"})
        _took()
    elif isinstance(error, FailureError):
        _count("workflow_failed_total", {"reason": "failed"})
        _took()


def _count(name: str, attributes: Mapping[str, str] | None = None) -> None:
    workflow.metric_meter().create_counter(name).add(1, attributes)


def _took() -> None:
    began = workflow.info().start_time
    seconds = (workflow.now() - began).total_seconds()
    workflow.metric_meter().create_histogram_float("workflow_duration_seconds").record(seconds)


def count_usage(result: Any) -> None:
    """Count the answer of a language model that an activity returns, and its tokens."""
    usage = getattr(result, "usage", None)
    if not isinstance(usage, Usage):
        return
    meter = activity.metric_meter()
    meter.create_counter("language_model_answers_total").add(
        1,
        {"cached": str(usage.cached).lower(), "finish_reason": usage.finish_reason or "none"},
    )
    if usage.cached:
        return  # they were paid for before
    tokens = meter.create_counter("language_model_tokens_total")
    tokens.add(usage.prompt_tokens or 0, {"kind": "prompt"})
    tokens.add(usage.completion_tokens or 0, {"kind": "answer"})


class _Activities(ActivityInboundInterceptor):
    @override
    async def execute_activity(self, input: ExecuteActivityInput) -> Any:
        info = activity.info()
        began, outcome = time.perf_counter(), "failed"
        with structlog.contextvars.bound_contextvars(
            workflow_id=info.workflow_id,
            run_id=info.workflow_run_id,
            activity=info.activity_type,
            attempt=info.attempt,
        ):
            try:
                result = await super().execute_activity(input)
                outcome = "ok"
                count_usage(result)
            finally:
                activity.metric_meter().create_histogram_float(
                    "activity_duration_seconds"
                ).record(time.perf_counter() - began, {"outcome": outcome})
        return result
