"""How a workflow has the origin of what it makes and tells recorded.

The records are result events: one for each artifact, whose data is its fingerprint, and after
the closing event one that seals all that the run has told. Recording is a service to those who
ask later where something came from; a failure of it is logged and costs nobody the run.
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
"""The patch by which runs that began before there were seals still replay."""

Given = TypeVar("Given", bound=Message)


class Provenance:
    """The statements about one run. Make one beside the run's ``ResultEvents``.

    Args:
        results: the run's result events.
        policy: the limits of what is noted down; by default the steps' own.
    """

    def __init__(self, results: ResultEvents, policy: Policy | None = None) -> None:
        self._results = results
        self._policy = policy

    async def record(self, artifact: Artifact, *, emits: str) -> Fingerprint | None:
        """Take an artifact's fingerprint and emit it as an event of the given type.

        The run must emit nothing else meanwhile.

        Returns:
            The fingerprint, or nothing when none could be taken; the reason is in the log.

        Raises:
            asyncio.CancelledError: When the run was cancelled meanwhile; or an
                ``ActivityError`` caused by that.
        """
        fingerprint = await without_fail(
            qagent.fingerprint(artifact, policy=self._policy),
            f"no fingerprint of {artifact.agent}'s artifact",
        )
        if fingerprint is not None:
            await self._results.emit(emits, fingerprint)
        return fingerprint

    async def seal(self, closing: str) -> None:
        """Vouch for all that the run has told; ``closing`` is the type of its last event.

        A cancellation that arrives meanwhile is too late to change anything.
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
    """Await a step that the run can do without; a failure is logged, and gives nothing.

    Raises:
        asyncio.CancelledError: When the run was cancelled meanwhile; or an ``ActivityError``
            caused by that.
    """
    try:
        return await step
    except exceptions.ActivityError as error:
        if exceptions.is_cancelled_exception(error):
            raise
        workflow.logger.warning("%s: %s", otherwise, error.cause or error)
        return None
