"""Something that writes code when asked in words."""

from typing import Protocol

from workflows.messages.code_generation import GeneratedCode, InformedPrompt


class LLMGateway(Protocol):
    """Writes code."""

    async def generate_code(self, prompt: InformedPrompt) -> GeneratedCode:
        """Write code for a prompt. Two calls need not give the same code.

        Cancelling the call ends the request.

        Raises:
            PromptNotServedError: When asking again would not help.
            GatewayRefusedError: When the gateway refuses us, not the prompt.
            RateLimitedError: When it asks for patience; may say how long.
            GatewayFailedError: When it is away, broken or answers nonsense.
        """
