"""A worker of your own: the Temporal SDK and nothing of the bridge."""

import asyncio
import os
from datetime import timedelta
from typing import Any

from temporalio import workflow
from temporalio.client import Client
from temporalio.worker import Worker

EMIT_QUEUE = os.environ.get("NTBRIDGE_EMIT__TASK_QUEUE", "ntbridge-events")


@workflow.defn(name="Fulfilment")
class Fulfilment:
    """Waits until an order is paid, then reports that it is fulfilled."""

    def __init__(self) -> None:
        self._payment: dict[str, Any] | None = None

    @workflow.run
    async def run(self, order: dict[str, Any]) -> dict[str, Any]:
        """Fulfil an order; the argument is the JSON of the message on ``orders.created``."""
        await workflow.wait_condition(lambda: self._payment is not None)
        fulfilled = {"orderId": order["orderId"], "total": order["total"]}
        await workflow.execute_activity(
            "events.emit",
            {"type": "com.acme.order.fulfilled", "data": fulfilled},
            task_queue=EMIT_QUEUE,
            start_to_close_timeout=timedelta(seconds=5),
        )
        return fulfilled

    @workflow.signal
    def paid(self, payment: dict[str, Any]) -> None:
        """Take the event: its attributes, and in ``data`` the JSON of the message on ``orders.paid``."""
        self._payment = payment


async def main() -> None:
    """Serve the task queue until the process ends."""
    client = await Client.connect(os.environ.get("TEMPORAL_ADDRESS", "127.0.0.1:7233"))
    await Worker(client, task_queue="orders", workflows=[Fulfilment]).run()


if __name__ == "__main__":
    asyncio.run(main())
