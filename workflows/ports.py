"""What the activities need from the world, as small protocols.

An adapter (``workflows.adapters``) knows no Temporal; an activity knows no tool. Every method
may be called again with the same argument, concurrently too: an activity is retried when its
worker dies, whether or not its first try took effect.
"""

from typing import Protocol

from workflows.messages.code_generation import (
    Artifact,
    CheckReport,
    Fingerprint,
    GeneratedCode,
    ParsedPrompt,
)


class LLMGateway(Protocol):
    """Something that writes code when asked in words."""

    async def generate_code(self, prompt: ParsedPrompt) -> GeneratedCode:
        """Write code for a prompt. Two calls need not give the same code.

        Raises:
            PromptNotServedError: When asking again would not help.
        """


class CodeChecker(Protocol):
    """Tells whether code is fit for use, without ever running it."""

    async def check(self, code: str, language: str) -> CheckReport:
        """Check code; what is wrong with it is in the report and raises nothing.

        The same code gets the same report. Cancelling the call ends whatever it started.

        Raises:
            ToolMissingError: When a checking program is not installed.
            ToolFailedError: When a checking program broke.
            ToolTimedOutError: When a checking program took too long.
        """


class Qlafs(Protocol):
    """Says where an artifact comes from, in a form that can be checked later.

    Taking a fingerprint stores nothing. Its record is the result event that the workflow emits
    with it: durable, written once and immutable, and so there is no second copy to differ.
    """

    async def fingerprint(self, artifact: Artifact) -> Fingerprint:
        """Take the fingerprint of an artifact; the same artifact gives the same one."""
