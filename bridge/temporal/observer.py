"""`Observer`: the gateway's read-only calls (state of runs, how they ended, what started them)."""

import asyncio
import os
import socket
from collections.abc import AsyncGenerator, Callable, Collection, Coroutine, Sequence
from contextlib import aclosing
from datetime import datetime, timedelta
from typing import Any, TypeVar
from uuid import UUID

from google.protobuf.message import Message
from msgspec.structs import replace
from temporalio.api.common.v1 import Payloads
from temporalio.api.workflow.v1 import WorkflowExecutionInfo
from temporalio.api.workflowservice.v1 import (
    DescribeNamespaceRequest,
    DescribeWorkflowExecutionRequest,
    DescribeWorkflowExecutionResponse,
    GetWorkflowExecutionHistoryRequest,
    GetWorkflowExecutionHistoryReverseRequest,
    ListWorkflowExecutionsRequest,
)
from temporalio.client import Client
from temporalio.converter import PayloadCodec
from temporalio.service import RPCError

from bridge.operations.calls import CallError, ListedRun, Run
from bridge.runtime.temporal_diagnosis import TlsDiagnosis
from bridge.settings.schema import TemporalSettings
from bridge.temporal import ancestry, answers, endings, histories, requests
from bridge.temporal.errors import call_error
from bridge.temporal.listing import listed
from bridge.temporal.payloads import PayloadTransit
from bridge.temporal.references import Reference, references_in
from bridge.temporal.stored_payloads import StoredPayloads, memo_stored_as, stored_as

_GRACE_SECONDS = 1.0
_PAGE = 1000

RequestMessage = TypeVar("RequestMessage", bound=Message)
Response = TypeVar("Response")


class Observer:
    """Reads from one namespace. Safe for concurrent callers; reconnects automatically.

    Every method raises `CallError`: Temporal refused the call, or did not answer in time.
    """

    def __init__(self, client: Client, settings: TemporalSettings) -> None:
        self._client = client
        self._diagnosis = TlsDiagnosis(settings)
        converter = client.data_converter
        self._payloads = PayloadTransit(converter.payload_codec, converter.external_storage)
        self._namespace = settings.namespace
        self._seconds = settings.call_timeout
        self._identity = f"ntbridge@{socket.gethostname()}:{os.getpid()}"
        self._mine = {"namespace": self._namespace, "identity": self._identity}

    def use(self, client: Client) -> None:
        """Replace the client; calls in flight finish on the previous one."""
        self._client = client

    @property
    def codec(self) -> PayloadCodec | None:
        """The payload codec; None when payloads are not encoded."""
        return self._client.data_converter.payload_codec

    async def tls_problem(self) -> str | None:
        """Return what is wrong with TLS; None if nothing is found. See `TlsDiagnosis`."""
        return await self._diagnosis.problem()

    @property
    def namespace(self) -> str:
        """The namespace's name on the server."""
        return self._namespace

    async def describe(self, workflow_id: str, run_id: str = "") -> Run:
        """Return a run's state, with the event and route from its search attributes."""
        return answers.run(await self._described(workflow_id, run_id))

    async def lineage_memo(self, workflow_id: str, run_id: str) -> dict[str, Any]:
        """Return the memo fields about the event that started a run, its own or an ancestor's."""
        return await ancestry.lineage_memo(self._info, workflow_id, run_id)

    async def ending(
        self, workflow_id: str, run_id: str, most_bytes: int
    ) -> endings.Ending | None:
        """Return how a run ended, None while it is open; a result over ``most_bytes`` is omitted."""
        execution = requests.execution(workflow_id, run_id)
        described = await self._described(workflow_id, run_id)
        if answers.run(described).is_open:
            return None
        service = self._client.workflow_service
        last = await self._call(
            service.get_workflow_execution_history_reverse,
            GetWorkflowExecutionHistoryReverseRequest(
                namespace=self._namespace, execution=execution, maximum_page_size=1
            ),
        )
        first = await self._call(
            service.get_workflow_execution_history,
            GetWorkflowExecutionHistoryRequest(
                namespace=self._namespace, execution=execution, maximum_page_size=1
            ),
        )
        end = last.history.events[0]
        lost = await self._decode_result(endings.payloads_of(end, most_bytes))
        if (failure := endings.failure_of(end)) is not None:
            await self._payloads.decode_failure(failure)
        began = first.history.events[0]
        if lost is not None:
            ending = endings.read_ending(described, began, end, endings.NO_RESULT)
            return replace(ending, result_omitted=lost)
        return endings.read_ending(described, began, end, most_bytes)

    async def _decode_result(self, result: Sequence[Payloads]) -> str | None:
        """Decode a run's result in place; return why it is lost, None if it is not."""
        try:
            for payloads in result:
                await self._payloads.decode(payloads.payloads)
        except CallError as error:
            if error.status != "DATA_LOSS":
                raise
            # The closure event must not wait for a result that never comes.
            return f"it was stored outside Temporal, and is gone: {error.message}"
        return None

    async def closed_since(self, since: datetime, most: int) -> list[str]:
        """Return the run ids that routes started and that visibility lists as closed since then.

        The list may lag, and has ``most`` run ids at most.
        """
        closed: list[str] = []
        query = f"BridgeRoute IS NOT NULL AND CloseTime >= '{since.isoformat()}'"
        async with aclosing(self.runs(query)) as found:
            async for run in found:
                closed.append(run.run_id)
                if len(closed) >= most:
                    break
        return closed

    async def runs(self, query: str) -> AsyncGenerator[ListedRun]:
        """Yield the runs that a visibility query finds, fetched in pages."""
        token = b""
        while True:
            page = await self._call(
                self._client.workflow_service.list_workflow_executions,
                ListWorkflowExecutionsRequest(
                    namespace=self._namespace,
                    page_size=_PAGE,
                    next_page_token=token,
                    query=query,
                ),
            )
            for info in page.executions:
                yield listed(info)
            token = page.next_page_token
            if not token:
                return

    async def stored_payloads(self, most: int) -> list[StoredPayloads]:
        """Return how the payloads of the latest closed runs that routes started are stored."""
        service = self._client.workflow_service
        page = await self._call(
            service.list_workflow_executions,
            ListWorkflowExecutionsRequest(
                namespace=self._namespace,
                page_size=most,
                query="BridgeRoute IS NOT NULL AND ExecutionStatus = 'Completed'",
            ),
        )
        found = []
        for info in page.executions:
            last = await self._call(
                service.get_workflow_execution_history_reverse,
                GetWorkflowExecutionHistoryReverseRequest(
                    namespace=self._namespace, execution=info.execution, maximum_page_size=1
                ),
            )
            results = endings.payloads_of(last.history.events[0], 0)
            payloads = [each for result in results for each in result.payloads]
            found.append(
                StoredPayloads(
                    workflow_id=info.execution.workflow_id,
                    task_queue=info.task_queue,
                    memo=memo_stored_as(info.memo.fields),
                    result=stored_as(payloads[0]) if payloads else "",
                )
            )
        return found

    async def references(
        self, workflow_id: str, run_id: str, uids: Collection[str], request_ids: Collection[str]
    ) -> list[Reference]:
        """Return the references to large payloads that calls for some events put into a run's history."""
        request = GetWorkflowExecutionHistoryRequest(
            namespace=self._namespace, execution=requests.execution(workflow_id, run_id)
        )
        found: list[Reference] = []
        while True:
            page = await self._call(
                self._client.workflow_service.get_workflow_execution_history, request
            )
            for event in page.history.events:
                found += references_in(event, uids, request_ids)
            request.next_page_token = page.next_page_token
            if not page.next_page_token:
                return found

    async def retention(self) -> float:
        """Return the namespace's retention of closed runs, in seconds."""
        answer = await self._call(
            self._client.workflow_service.describe_namespace,
            DescribeNamespaceRequest(namespace=self._namespace),
        )
        return answer.config.workflow_execution_retention_ttl.ToTimedelta().total_seconds()

    async def _info(self, workflow_id: str, run_id: str) -> WorkflowExecutionInfo:
        return (await self._described(workflow_id, run_id)).workflow_execution_info

    async def _described(
        self, workflow_id: str, run_id: str
    ) -> DescribeWorkflowExecutionResponse:
        described = await self._call(
            self._client.workflow_service.describe_workflow_execution,
            DescribeWorkflowExecutionRequest(
                namespace=self._namespace,
                execution=requests.execution(workflow_id, run_id),
            ),
        )
        memo = described.workflow_execution_info.memo.fields
        await self._payloads.decode_fields(memo, ancestry.MEMBERS)
        return described

    async def received(
        self, workflow_id: str, run_id: str, request_id: UUID, since: datetime
    ) -> bool:
        """Return whether a signal or update with this request id reached a closed run."""
        service = self._client.workflow_service
        return await histories.received(
            lambda page: self._call(service.get_workflow_execution_history_reverse, page),
            GetWorkflowExecutionHistoryReverseRequest(
                namespace=self._namespace,
                execution=requests.execution(workflow_id, run_id),
            ),
            str(request_id),
            since,
        )

    async def _call(
        self,
        method: Callable[..., Coroutine[Any, Any, Response]],
        request: RequestMessage,
        seconds: float | None = None,
        check: Callable[[Message], None] | None = None,
    ) -> Response:
        """Make a call; ``check`` may refuse the request as it is sent, its payloads encoded."""
        limit = seconds or self._seconds
        await self._payloads.encode(request)
        if check is not None:
            check(request)
        try:
            # The first call also connects, and the SDK sets no time limit for that.
            async with asyncio.timeout(limit + _GRACE_SECONDS):
                return await method(request, timeout=timedelta(seconds=limit))
        except RPCError as error:
            raise call_error(error, request.ByteSize()) from error
        except TimeoutError as error:
            raise CallError("DEADLINE_EXCEEDED", f"no answer within {limit:g} s") from error
        except RuntimeError as error:
            # The SDK raises this when the first connection fails.
            raise CallError("UNAVAILABLE", await self.tls_problem() or str(error)) from error
