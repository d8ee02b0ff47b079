"""What an answer of a language model cost."""

from workflows.messages.message import Message


class Usage(Message):
    """The usage that the model's server reports; a number is absent if it reports none.

    ``cached`` is true if the answer comes from the cache: then nothing was asked.
    """

    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    finish_reason: str | None = None
    cached: bool = False

    @property
    def tokens(self) -> int | None:
        """All tokens; None if the server reports none."""
        if self.prompt_tokens is None and self.completion_tokens is None:
            return None
        return (self.prompt_tokens or 0) + (self.completion_tokens or 0)
