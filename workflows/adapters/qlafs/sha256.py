"""Unsigned fingerprints: digests that show whether an artifact was changed."""

import hashlib

from workflows.messages.code_generation import Artifact, Fingerprint
from workflows.messages.provenance import RunReference, Seal, SealRequest


class Sha256Qlafs:
    """A ``Qlafs`` whose fingerprints are SHA-256 digests; it signs nothing."""

    async def fingerprint(self, artifact: Artifact, *, run: RunReference) -> Fingerprint:
        """Return the fingerprint of an artifact."""
        del run
        return Fingerprint(
            sha256=hashlib.sha256(artifact.content.encode()).hexdigest(),
            agent=artifact.agent,
            inputs=artifact.inputs,
            type=artifact.type,
        )

    async def seal(self, request: SealRequest, *, run: RunReference) -> Seal:
        """Return an empty seal."""
        del request, run
        return Seal()
