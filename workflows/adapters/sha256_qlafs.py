"""Fingerprints by digest: they tell whether an artifact was changed, and sign nothing."""

import hashlib

from workflows.messages.code_generation import Artifact, Fingerprint


class Sha256Qlafs:
    """A ``Qlafs`` whose fingerprints are the SHA-256 of the content."""

    async def fingerprint(self, artifact: Artifact) -> Fingerprint:
        """Take the fingerprint of an artifact."""
        return Fingerprint(
            sha256=hashlib.sha256(artifact.content.encode()).hexdigest(),
            agent=artifact.agent,
            inputs=artifact.inputs,
        )
