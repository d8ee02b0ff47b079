"""The port of merge requests (pull requests) at a hosted service; no implementation ships."""

from typing import Protocol

from workflows.messages.code_host import Proposed, ProposeRequest


class MergeRequests(Protocol):
    """Merge requests of a hosted service."""

    async def open(self, proposed: Proposed, request: ProposeRequest) -> str:
        """Ask to merge a branch and return the address; a repeat returns the same one.

        Raises:
            CodeHostFailedError: The service did not accept it.
        """

    async def close(self, branch: str) -> None:
        """Close the request of a branch; do nothing if there is none.

        Raises:
            CodeHostFailedError: The service did not accept it.
        """
