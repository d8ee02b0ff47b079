"""A workflow that receives events, for the tests of the inbox. Sandboxed like a real one."""

from datetime import timedelta
from typing import Any

from temporalio import workflow
from temporalio.common import RawValue
from typing_extensions import override

from workflows.messages.envelopes import Refused
from workflows.platform.inbox import ReceivesEvents
from workflows.platform.inputs import NO_INPUT


@workflow.defn(name="Receiver")
class Receiver(ReceivesEvents):
    """Notes what it takes; ``….again.v1`` makes it continue as new, ``….end.v1`` makes it end."""

    @workflow.init
    def __init__(self, argument: RawValue = NO_INPUT, carried: RawValue = NO_INPUT) -> None:
        super().__init__(carried)
        noted = workflow.payload_converter().from_payload(argument.payload)
        self.noted: list[Any] = noted if isinstance(noted, list) else []
        self.told: list[str] = []

    @workflow.run
    async def run(self, _argument: RawValue = NO_INPUT, _carried: RawValue = NO_INPUT) -> Any:
        while True:
            envelope = await self.inbox.next()
            if envelope.type == "com.example.again.v1":
                await self.inbox.continue_as_new(self.noted)
            if envelope.type == "com.example.end.v1":
                left = await self.inbox.finish()
                return {
                    "noted": self.noted,
                    "left": [each.envelope.data for each in left],
                    "refused": [each.reason for each in self.inbox.refused],
                    "told": self.told,
                }
            self.noted.append(envelope.data)

    @override
    async def on_refused(self, refused: Refused) -> None:
        # An await, so that finishing must wait for it.
        await workflow.sleep(timedelta(milliseconds=10))
        self.told.append(refused.name)

    @workflow.query
    def so_far(self) -> list[Any]:
        return self.noted


@workflow.defn(name="Chooser")
class Chooser(ReceivesEvents):
    """Takes what it wants first, whatever came first."""

    @workflow.run
    async def run(self) -> Any:
        bold = await self.inbox.next(
            type="com.example.*", where=lambda envelope: bool(envelope.data["bold"])
        )
        named = await self.inbox.next(name="second")
        late = None
        try:
            await self.inbox.next(type="com.example.never.v1", timeout=timedelta(seconds=0.2))
        except TimeoutError:
            late = "timed out"
        left = [each.envelope.data for each in await self.inbox.finish()]
        return {"bold": bold.data, "named": named.data, "late": late, "left": left}
