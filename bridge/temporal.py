"""The gateway to Temporal: raw service requests, so that the request ids are ours.

The SDK's client draws a random request id for every start, which would make a repeated
call a new one. Errors leave as `CallError`, whose classes `bridge.dispatch.outcomes` knows.
"""

import os
import socket
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from typing import Any, TypeVar

import msgspec
from google.protobuf.message import Message
from temporalio.api.common.v1 import Memo, Payload, Payloads, SearchAttributes, WorkflowType
from temporalio.api.common.v1 import WorkflowExecution as ExecutionMessage
from temporalio.api.enums.v1 import (
    IndexedValueType,
    WorkflowIdConflictPolicy,
    WorkflowIdReusePolicy,
)
from temporalio.api.errordetails.v1 import (
    ResourceExhaustedFailure,
    WorkflowExecutionAlreadyStartedFailure,
)
from temporalio.api.operatorservice.v1 import (
    AddSearchAttributesRequest,
    ListSearchAttributesRequest,
)
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import (
    DescribeWorkflowExecutionRequest,
    GetSystemInfoRequest,
    StartWorkflowExecutionRequest,
)
from temporalio.client import Client
from temporalio.service import RPCError, TLSConfig

from bridge.calls import CallError, Run, StartCall
from bridge.config import TemporalSettings

Answer = TypeVar("Answer")

SEARCH_ATTRIBUTES = ("BridgeRoute", "EventUid", "EventType", "CorrelationId")
"""Keywords every run that a route starts carries; registered by `ntbridge migrate`."""


class Gateway:
    """Calls one namespace. Safe for many concurrent callers; reconnects by itself."""

    def __init__(self, client: Client, settings: TemporalSettings) -> None:
        self._client = client
        self._settings = settings
        self._timeout = timedelta(seconds=settings.call_timeout)
        self._identity = f"ntbridge@{socket.gethostname()}:{os.getpid()}"

    async def start(self, call: StartCall) -> Run:
        """Start a workflow; the same request id again gives the same run.

        Raises:
            CallError: Temporal refused, or did not answer in time. In the latter case the
                run may exist; calling again is right.
        """
        request = StartWorkflowExecutionRequest(
            namespace=self._settings.namespace,
            workflow_id=call.workflow_id,
            workflow_type=WorkflowType(name=call.workflow),
            task_queue=TaskQueue(name=call.task_queue),
            input=Payloads(payloads=[_argument(call)]),
            identity=self._identity,
            request_id=str(call.request_id),
            workflow_id_reuse_policy=WorkflowIdReusePolicy.WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE,
            workflow_id_conflict_policy=WorkflowIdConflictPolicy.WORKFLOW_ID_CONFLICT_POLICY_FAIL,
            memo=Memo(fields={name: _json(value) for name, value in call.memo.items()}),
            search_attributes=SearchAttributes(
                indexed_fields={
                    name: _keyword(value) for name, value in call.search_attributes.items()
                },
            ),
        )
        response = await self._call(
            self._client.workflow_service.start_workflow_execution, request
        )
        return Run(run_id=response.run_id, start_request_id=str(call.request_id))

    async def describe(self, workflow_id: str, run_id: str) -> Run:
        """Return who started a run, by its search attributes.

        Raises:
            CallError: The run is unknown, or Temporal is away.
        """
        request = DescribeWorkflowExecutionRequest(
            namespace=self._settings.namespace,
            execution=ExecutionMessage(workflow_id=workflow_id, run_id=run_id),
        )
        response = await self._call(
            self._client.workflow_service.describe_workflow_execution, request
        )
        fields = response.workflow_execution_info.search_attributes.indexed_fields
        return Run(
            run_id=run_id,
            event_uid=_text(fields, "EventUid"),
            route=_text(fields, "BridgeRoute"),
        )

    async def server_version(self) -> str:
        """Return the server's version.

        Raises:
            CallError: Temporal is away.
        """
        info = await self._call(
            self._client.workflow_service.get_system_info, GetSystemInfoRequest()
        )
        return info.server_version

    async def missing_search_attributes(self) -> list[str]:
        """Return which of our search attributes the namespace does not know.

        Raises:
            CallError: Temporal is away, or the namespace does not exist.
        """
        known = await self._call(
            self._client.operator_service.list_search_attributes,
            ListSearchAttributesRequest(namespace=self._settings.namespace),
        )
        return [name for name in SEARCH_ATTRIBUTES if name not in known.custom_attributes]

    async def register_search_attributes(self) -> list[str]:
        """Register those of our search attributes that are missing and return them.

        Raises:
            CallError: Temporal is away, or refuses.
        """
        missing = await self.missing_search_attributes()
        if missing:
            keyword = IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD
            await self._call(
                self._client.operator_service.add_search_attributes,
                AddSearchAttributesRequest(
                    namespace=self._settings.namespace,
                    search_attributes=dict.fromkeys(missing, keyword),
                ),
            )
        return missing

    async def _call(self, method: Callable[..., Awaitable[Answer]], request: Message) -> Answer:
        try:
            return await method(request, timeout=self._timeout)
        except RPCError as error:
            raise _call_error(error) from error
        except RuntimeError as error:
            # The SDK's word for a server that the first call of all does not find.
            raise CallError("UNAVAILABLE", str(error)) from error


async def connect(settings: TemporalSettings) -> Gateway:
    """Return a gateway; the connection is made with the first call, and again when lost."""
    client = await Client.connect(
        settings.address,
        namespace=settings.namespace,
        api_key=settings.api_key,
        tls=TLSConfig() if settings.tls else False,
        lazy=True,
    )
    return Gateway(client, settings)


def _argument(call: StartCall) -> Payload:
    if call.argument is None:
        return Payload(metadata={"encoding": b"json/plain"}, data=b"null")
    encoding = b"json/plain" if call.argument_is_json else b"binary/plain"
    return Payload(metadata={"encoding": encoding}, data=call.argument)


def _json(value: Any) -> Payload:
    return Payload(metadata={"encoding": b"json/plain"}, data=msgspec.json.encode(value))


def _keyword(value: str) -> Payload:
    payload = _json(value)
    payload.metadata["type"] = b"Keyword"
    return payload


def _text(fields: Mapping[str, Payload], name: str) -> str:
    payload = fields.get(name)
    value = msgspec.json.decode(payload.data) if payload is not None else ""
    return value if isinstance(value, str) else ""


def _call_error(error: RPCError) -> CallError:
    started = WorkflowExecutionAlreadyStartedFailure()
    exhausted = ResourceExhaustedFailure()
    holder = None
    if _detail(error, started):
        holder = Run(run_id=started.run_id, start_request_id=started.start_request_id)
    return CallError(
        error.status.name,
        error.message,
        limited=_detail(error, exhausted),
        already_started=holder,
    )


def _detail(error: RPCError, into: Message) -> bool:
    """Unpack the error's detail of the message's type, if there is one."""
    return any(detail.Unpack(into) for detail in error.grpc_status.details)
