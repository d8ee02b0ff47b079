"""Something that vouches for where an artifact comes from."""

from typing import Protocol

from workflows.messages.code_generation import Artifact, Fingerprint
from workflows.messages.provenance import Run, Seal, SealRequest


class Qlafs(Protocol):
    """Says where an artifact comes from, in a form that can be checked later.

    Neither method stores anything. The record is the result event that the workflow emits with
    what they return: durable, written once and immutable, and so there is no second copy to
    differ. Both give the same for the same run as long as it emits nothing meanwhile.
    """

    async def fingerprint(self, artifact: Artifact, *, run: Run) -> Fingerprint:
        """Take the fingerprint of an artifact that a run has made.

        Raises:
            ProvenanceError: When what the run has told cannot be read.
        """

    async def seal(self, request: SealRequest, *, run: Run) -> Seal:
        """Vouch for all that a run has told; there is no envelope where nothing is signed.

        Raises:
            ProvenanceError: As above.
        """
