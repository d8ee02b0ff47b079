"""Something that vouches for where an artifact comes from."""

from typing import Protocol

from workflows.messages.code_generation import Artifact, Fingerprint


class Qlafs(Protocol):
    """Says where an artifact comes from, in a form that can be checked later.

    Taking a fingerprint stores nothing. Its record is the result event that the workflow emits
    with it: durable, written once and immutable, and so there is no second copy to differ.
    """

    async def fingerprint(self, artifact: Artifact) -> Fingerprint:
        """Take the fingerprint of an artifact; the same artifact gives the same one."""
