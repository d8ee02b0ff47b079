"""Runs for which time passes as soon as they only wait: a day in a second."""

import uuid
from collections.abc import Mapping
from typing import Any

from google.protobuf.duration_pb2 import Duration
from temporalio.api.common.v1 import Memo, TimeSkippingConfig, WorkflowType
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import StartWorkflowExecutionRequest
from temporalio.client import Client, WorkflowHandle


async def start_skipping(
    client: Client,
    workflow: str,
    argument: Any,
    *,
    id: str,  # noqa: A002 - as the client has it
    task_queue: str,
    memo: Mapping[str, Any] | None = None,
) -> WorkflowHandle[Any, Any]:
    """Start a run that skips time; the server must have been told that it may."""
    converter = client.data_converter.payload_converter
    (payload,) = converter.to_payloads([argument])
    fields = {name: converter.to_payloads([value])[0] for name, value in (memo or {}).items()}
    request = StartWorkflowExecutionRequest(
        namespace=client.namespace,
        workflow_id=id,
        workflow_type=WorkflowType(name=workflow),
        task_queue=TaskQueue(name=task_queue),
        request_id=str(uuid.uuid4()),
        memo=Memo(fields=fields),
        workflow_task_timeout=Duration(seconds=10),
        time_skipping_config=TimeSkippingConfig(enabled=True),
    )
    request.input.payloads.append(payload)
    answer = await client.workflow_service.start_workflow_execution(request)
    return client.get_workflow_handle(id, run_id=answer.run_id)
