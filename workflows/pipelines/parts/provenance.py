"""Records the provenance of a run's artifacts and events.

The records are result events: one for each artifact, with its fingerprint, and after the closing
event one that seals all events of the run. A failure to record is logged and does not fail the
run, unless the fingerprint is needed.
"""

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

from temporalio import exceptions, workflow

from workflows.messages.code_generation import Artifact, Fingerprint
from workflows.messages.message import Message
from workflows.messages.provenance import SEALED, SealRequest
from workflows.platform.policies import Policy
from workflows.platform.result_events import ResultEvents
from workflows.steps import qagent

SEALS = "seals"
"""The patch with which runs from before the introduction of seals still replay."""

Given = TypeVar("Given", bound=Message)


class Provenance:
    """The statements about one run. Create one beside the run's ``ResultEvents``.

    Args:
        results: The run's result events.
        policy: Timeouts and retries; by default those of the steps.
    """

    def __init__(self, results: ResultEvents, policy: Policy | None = None) -> None:
        self._results = results
        self._policy = policy

    async def record(
        self, artifact: Artifact, *, emits: str, needed: bool = False
    ) -> Fingerprint | None:
        """Emit an artifact's fingerprint as an event of the given type.

        The run must emit nothing else until this returns.

        Returns:
            The fingerprint; None if it failed and is not needed, with the reason in the log.

        Raises:
            ActivityError: It failed, and is needed; or the run was cancelled.
            asyncio.CancelledError: The run was cancelled.
        """
        taking = qagent.fingerprint(artifact, policy=self._policy)
        otherwise = f"no fingerprint of {artifact.agent}'s artifact"
        fingerprint = await taking if needed else await without_fail(taking, otherwise)
        if fingerprint is not None:
            await self._results.emit(emits, fingerprint)
        return fingerprint

    async def seal(self, closing: str) -> None:
        """Sign a statement about all events of the run; ``closing`` is the type of the last one.

        A cancellation during this call has no effect.
        """
        sealing = asyncio.create_task(self._seal(closing))
        try:
            await asyncio.shield(sealing)
        except asyncio.CancelledError:
            await sealing

    async def _seal(self, closing: str) -> None:
        try:
            seal = await qagent.seal(SealRequest(closing=closing), policy=self._policy)
            if seal.envelope is not None:
                await self._results.close(SEALED, seal)
        except exceptions.ActivityError as error:
            workflow.logger.warning("the run is not sealed: %s", error.cause or error)


async def without_fail(step: Awaitable[Given], otherwise: str) -> Given | None:
    """Await an optional step; log a failure and return None.

    Raises:
        asyncio.CancelledError: The run was cancelled; or an ``ActivityError`` caused by that.
    """
    try:
        return await step
    except exceptions.ActivityError as error:
        if exceptions.is_cancelled_exception(error):
            raise
        workflow.logger.warning("%s: %s", otherwise, error.cause or error)
        return None
