"""The ports of a call of a language model."""

from dataclasses import dataclass, field
from typing import Protocol

from workflows.messages.usage import Usage


@dataclass(frozen=True)
class Completion:
    """A model's whole answer.

    Attributes:
        text: The answer.
        model: The name that the model reports.
        usage: What it cost.
        streamed: Whether it came in pieces, as requested.
    """

    text: str
    model: str
    usage: Usage = field(default_factory=Usage)
    streamed: bool = True


class LanguageModel(Protocol):
    """Answers a question. Two calls may give different answers."""

    async def complete(
        self, *, system: str, user: str, within: float | None = None, fresh: bool = False
    ) -> Completion:
        """Return the model's answer.

        Args:
            system: How the model should answer.
            user: The question.
            within: Timeout in seconds; default: that of the settings.
            fresh: Whether the answer must be a new one.

        Raises:
            RateLimitedError, GatewayFailedError, GatewayRefusedError, PromptNotServedError:
                See `workflows.ports.LLMGateway`.
        """


class Answers(Protocol):
    """A cache of answers. Its failure is a miss, never an error."""

    async def get(self, key: str) -> Completion | None:
        """Return an answer that was stored for less than the cache's lifetime."""

    async def put(self, key: str, answer: Completion) -> None:
        """Store an answer."""


class RateWindow(Protocol):
    """The calls of the last minute, of this process or of all workers. Never fails."""

    async def take(self, call: str, tokens: int) -> float:
        """Count a call if the limits allow it.

        Args:
            call: Its id.
            tokens: Its tokens, as estimated.

        Returns:
            0 if it was counted, else the seconds until it may fit.
        """

    async def settle(self, call: str, tokens: int) -> None:
        """Correct the tokens of a call that was counted."""
