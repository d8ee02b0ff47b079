"""`Installation`: the gateway's calls about the server: version, namespace, search attributes, queues."""

from datetime import UTC, datetime, timedelta

from temporalio.api.enums.v1 import IndexedValueType, TaskQueueType
from temporalio.api.operatorservice.v1 import (
    AddSearchAttributesRequest,
    ListSearchAttributesRequest,
)
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import (
    DescribeNamespaceRequest,
    DescribeTaskQueueRequest,
    GetSystemInfoRequest,
)

from bridge.temporal.observer import Observer
from bridge.temporal.search_attributes import Registered, Types, compare

_POLLS_WITHIN = timedelta(seconds=90)
"""A worker's poll takes up to a minute; the next one follows at once."""


class Installation(Observer):
    """Calls about the server and its namespace. Every method raises `CallError`, as the observer's do."""

    async def server_version(self) -> str:
        """Return the server's version."""
        info = await self._call(
            self._client.workflow_service.get_system_info, GetSystemInfoRequest()
        )
        return info.server_version

    async def check_namespace(self) -> bool:
        """Return when the namespace exists and serves requests.

        Returns:
            Whether it has activities without a workflow (standalone activities).
        """
        described = await self._call(
            self._client.workflow_service.describe_namespace,
            DescribeNamespaceRequest(namespace=self._namespace),
        )
        return described.namespace_info.capabilities.standalone_activities

    async def search_attributes(self) -> Registered:
        """Return the registered search attributes, compared with those the bridge needs."""
        return compare(await self._search_attributes())

    async def workflow_pollers(self, task_queue: str) -> int:
        """Return how many workers polled a task queue for workflow tasks recently.

        Temporal lists a poller for five minutes; a worker whose last poll is older than the
        duration of a long poll has stopped.
        """
        described = await self._call(
            self._client.workflow_service.describe_task_queue,
            DescribeTaskQueueRequest(
                namespace=self._namespace,
                task_queue=TaskQueue(name=task_queue),
                task_queue_type=TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW,
            ),
        )
        since = datetime.now(UTC) - _POLLS_WITHIN
        return sum(
            poller.last_access_time.ToDatetime(UTC) >= since for poller in described.pollers
        )

    async def register_search_attributes(self) -> tuple[str, ...]:
        """Register the missing search attributes of the bridge and return them."""
        missing = (await self.search_attributes()).missing
        if missing:
            keyword = IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD
            await self._call(
                self._client.operator_service.add_search_attributes,
                AddSearchAttributesRequest(
                    namespace=self._namespace,
                    search_attributes=dict.fromkeys(missing, keyword),
                ),
            )
        return missing

    async def _search_attributes(self) -> Types:
        answer = await self._call(
            self._client.operator_service.list_search_attributes,
            ListSearchAttributesRequest(namespace=self._namespace),
        )
        return answer.custom_attributes
