"""`Gateway`: makes the calls within their time limits, and reads the responses."""

import asyncio
from collections.abc import Callable, Coroutine
from datetime import datetime
from typing import Any
from uuid import UUID

from google.protobuf.message import Message
from msgspec.structs import replace
from temporalio.api.workflowservice.v1 import (
    PollWorkflowExecutionUpdateResponse,
    UpdateWorkflowExecutionResponse,
)
from temporalio.client import Client
from temporalio.common import HeaderCodecBehavior
from temporalio.runtime import Runtime

from bridge.operations.calls import (
    CallError,
    EndActivityCall,
    PinnedVersion,
    Run,
    SignalCall,
    StartActivityCall,
    StartCall,
    UpdateAnswer,
    UpdateCall,
)
from bridge.runtime import temporal_client
from bridge.runtime.codec import data_converter
from bridge.runtime.errors import ConnectionFileError
from bridge.settings.schema import TemporalSettings
from bridge.temporal import activities, answers, requests
from bridge.temporal.installation import Installation
from bridge.temporal.observer import RequestMessage, Response
from bridge.temporal.search_attributes import at_fault
from bridge.temporal.tracing import current_header

_UPDATE_SECONDS = 5.0
"""Maximum time one call waits until a workflow accepts an update."""
_MAX_UPDATE_BYTES = 2 * 2**20 - 4096
"""Temporal checks an update's size only after the *workflow* has accepted it, and then fails that
workflow's task on every attempt: an update that is too large would block the run forever."""


class Gateway(Installation):
    """Calls one namespace. Safe for concurrent callers; reconnects automatically.

    Every method raises `CallError`: Temporal refused the call, or did not answer in time. In the
    second case the call may have taken effect; the caller should repeat it.
    """

    async def start(self, call: StartCall) -> Run:
        """Start a workflow; a repeated request id returns the same run."""
        answer = await self._start(
            self._client.workflow_service.start_workflow_execution,
            requests.start(call, **self._mine, header=current_header()),
            call,
        )
        return Run(
            run_id=answer.run_id,
            started=answer.started,
            start_request_id=str(call.request_id) if answer.started else "",
        )

    async def signal(self, call: SignalCall) -> str:
        """Signal an open run; return its id, empty when an older server does not return it."""
        answer = await self._call(
            self._client.workflow_service.signal_workflow_execution,
            requests.signal(call, **self._mine, header=current_header()),
        )
        return answer.link.workflow_event.run_id or call.run_id

    async def signal_with_start(self, start: StartCall, signal: SignalCall) -> Run:
        """Signal the open run of a workflow id, or start a run and signal it, atomically."""
        answer = await self._start(
            self._client.workflow_service.signal_with_start_workflow_execution,
            requests.signal_with_start(start, signal, **self._mine, header=current_header()),
            start,
        )
        return Run(run_id=answer.run_id, started=answer.started)

    async def update(self, call: UpdateCall) -> UpdateAnswer:
        """Send an update and wait for its stage, for a few seconds at most."""
        request = requests.update(call, **self._mine, header=current_header())
        try:
            answer = await self._call(
                self._client.workflow_service.update_workflow_execution,
                request,
                min(self._seconds, _UPDATE_SECONDS),
                _check_size,
            )
        except CallError as error:
            if error.status not in ("CANCELLED", "DEADLINE_EXCEEDED"):
                raise
            return await self._poll_update(call, error)
        return await self._judge_update(call, answer)

    async def update_with_start(self, start: StartCall, update: UpdateCall) -> UpdateAnswer:
        """Update the open run of a workflow id, or start a run and update it."""
        request = requests.update_with_start(
            start, update, **self._mine, header=current_header()
        )
        try:
            both = await self._start(
                self._client.workflow_service.execute_multi_operation,
                request,
                start,
                min(self._seconds, _UPDATE_SECONDS),
                _check_size,
            )
        except CallError as error:
            if error.status not in ("CANCELLED", "DEADLINE_EXCEEDED"):
                raise
            return await self._poll_update(update, error)
        _, answer = both.responses
        return await self._judge_update(update, answer.update_workflow)

    async def cancel(self, workflow_id: str, first_run_id: str, request_id: UUID) -> None:
        """Request cancellation of the latest run of an execution."""
        await self._call(
            self._client.workflow_service.request_cancel_workflow_execution,
            requests.cancel(workflow_id, first_run_id, str(request_id), **self._mine),
        )

    async def terminate(self, workflow_id: str, first_run_id: str, reason: str) -> None:
        """Terminate the latest run of an execution."""
        await self._call(
            self._client.workflow_service.terminate_workflow_execution,
            requests.terminate(workflow_id, first_run_id, reason, **self._mine),
        )

    async def start_activity(self, call: StartActivityCall) -> Run:
        """Start an activity without a workflow; a repeated request id returns the same run."""
        answer = await self._call(
            self._client.workflow_service.start_activity_execution,
            activities.start_activity(call, **self._mine, header=current_header()),
        )
        return Run(run_id=answer.run_id, started=answer.started)

    async def end_activity(self, call: EndActivityCall) -> None:
        """Complete an activity, or fail it if the call has a failure."""
        service = self._client.workflow_service
        if call.failure is None:
            request = activities.complete(call, **self._mine)
            await self._call(service.respond_activity_task_completed, request)
        else:
            failed = activities.fail(call, call.failure, **self._mine)
            await self._call(service.respond_activity_task_failed, failed)

    async def activity_ended(self, call: EndActivityCall, since: datetime) -> bool:
        """Return whether an activity that has ended shows that this call ended it."""
        task = call.task
        try:
            if task.workflow_id:
                return await self.received(
                    task.workflow_id, task.run_id, call.request_id, since
                )
            described = await self._call(
                self._client.workflow_service.describe_activity_execution,
                activities.describe(call, namespace=self._namespace),
            )
        except CallError as error:
            if error.target_gone:
                return False
            raise
        result = activities.result_of(described)
        if result is None or call.failure is not None:
            return False
        await self._payloads.decode(result.payloads)
        return [each.data for each in result.payloads] == [
            requests.argument_payload(call.result).data
        ]

    async def _start(
        self,
        method: Callable[..., Coroutine[Any, Any, Response]],
        request: RequestMessage,
        call: StartCall,
        seconds: float | None = None,
        check: Callable[[Message], None] | None = None,
    ) -> Response:
        """Make a call that starts a run; separate installation faults from faults of the event.

        Temporal has no error code or detail for either.
        """
        try:
            return await self._call(method, request, seconds, check)
        except CallError as error:
            version = call.options.versioning_override
            if error.status == "FAILED_PRECONDITION" and isinstance(version, PinnedVersion):
                raise error.as_misconfigured(
                    f"is {version.deployment_name}:{version.build_id} deployed?"
                ) from error
            fault = await at_fault(
                error, call.search_attributes, self._namespace, self._search_attributes
            )
            if fault is not None:
                raise error.as_misconfigured(fault) from error
            raise

    async def _poll_update(self, call: UpdateCall, late: CallError) -> UpdateAnswer:
        """Return the stage of an update whose response did not come in time."""
        try:
            answer = await self._call(
                self._client.workflow_service.poll_workflow_execution_update,
                requests.poll_update(call, **self._mine),
            )
        except CallError as error:
            if not error.target_gone:
                raise
            # The server no longer has the update, or never received it.
            raise late from error
        return await self._judge_update(call, answer)

    async def _judge_update(
        self,
        call: UpdateCall,
        answer: UpdateWorkflowExecutionResponse | PollWorkflowExecutionUpdateResponse,
    ) -> UpdateAnswer:
        if answer.outcome.HasField("failure"):
            await self._payloads.decode_failure(answer.outcome.failure)
        read = answers.update(answer)
        if read.failed is None or await self._is_in_history(call):
            return read
        return replace(read, failed=None, rejected=read.failed)

    async def _is_in_history(self, call: UpdateCall) -> bool:
        """Return whether the history holds the update: a failed one is there, a rejected one not.

        The response to the update is the same in both cases.
        """
        try:
            await self._call(
                self._client.workflow_service.poll_workflow_execution_update,
                requests.poll_update(call, **self._mine),
            )
        except CallError as error:
            if error.target_gone:
                return False
            raise
        return True


def _check_size(request: Message) -> None:
    if (size := request.ByteSize()) > _MAX_UPDATE_BYTES:
        raise CallError(
            "INVALID_ARGUMENT",
            f"the update has {size} bytes; the maximum is {_MAX_UPDATE_BYTES}",
        )


async def connect(settings: TemporalSettings, runtime: Runtime | None = None) -> Gateway:
    """Return a gateway. It connects on the first call and reconnects when the connection is lost.

    Args:
        settings: Temporal's address and credentials.
        runtime: Collects metrics and logs of the calls; default: the SDK's own.

    Raises:
        ConnectionFileError: A file of the settings cannot be used.
    """
    return Gateway(await _connect(settings, runtime, lazy=True), settings)


async def connect_worker(settings: TemporalSettings, runtime: Runtime | None = None) -> Client:
    """Return a connected client, as a worker needs it.

    Raises:
        CallError: Temporal cannot be reached.
    """
    try:
        async with asyncio.timeout(settings.call_timeout):
            return await _connect(settings, runtime, lazy=False)
    except (RuntimeError, TimeoutError, ConnectionFileError) as error:
        raise CallError("UNAVAILABLE", str(error) or "no answer") from error


async def _connect(
    settings: TemporalSettings, runtime: Runtime | None, *, lazy: bool
) -> Client:
    return await temporal_client.connect(
        settings,
        lazy=lazy,
        runtime=runtime,
        data_converter=data_converter(
            settings.codec, settings.namespace, payloads=settings.payloads
        ),
        # Of emits: a worker may encode headers too. Others pass unchanged.
        header_codec_behavior=HeaderCodecBehavior.CODEC,
    )
