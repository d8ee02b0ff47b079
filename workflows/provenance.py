"""How a workflow has its artifacts' origin recorded.

The record is a result event, whose data is the fingerprint. Recording is a service to those who
ask later where something came from; a failure of it is logged and costs nobody the run.
"""

from temporalio import exceptions, workflow

from workflows.messages.code_generation import Artifact, Fingerprint
from workflows.result_events import ResultEvents
from workflows.steps import qagent


class Provenance:
    """The fingerprints of one run. Make one beside the run's ``ResultEvents``."""

    def __init__(self, results: ResultEvents) -> None:
        self._results = results

    async def record(self, artifact: Artifact, *, emits: str) -> Fingerprint | None:
        """Take an artifact's fingerprint and emit it as an event of the given type.

        Returns:
            The fingerprint, or nothing when none could be taken; the reason is in the log.

        Raises:
            asyncio.CancelledError: When the run was cancelled meanwhile; or an
                ``ActivityError`` caused by that.
        """
        try:
            fingerprint = await qagent.fingerprint(artifact)
        except exceptions.ActivityError as error:
            if exceptions.is_cancelled_exception(error):
                raise
            workflow.logger.warning(
                "no fingerprint of %s's artifact: %s", artifact.agent, error.cause or error
            )
            return None
        await self._results.emit(emits, fingerprint)
        return fingerprint
