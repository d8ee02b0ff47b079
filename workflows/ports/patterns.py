"""Where code that was accepted is found again."""

from typing import Protocol

from workflows.messages.patterns import AcceptedCode, Learned, Pattern


class VectorDatabase(Protocol):
    """Remembers accepted code by what it was asked for."""

    async def similar(self, text: str, *, language: str, limit: int) -> tuple[Pattern, ...]:
        """Return the patterns most similar to a prompt, the most similar first.

        Raises:
            PatternStoreError: When the database or the embedding is away or broken.
        """

    async def learn(self, accepted: AcceptedCode) -> Learned:
        """Remember a pattern; the same prompt with the same code is remembered once.

        Raises:
            RunUndoneError: When the run was told to be forgotten.
            PatternStoreError: As above.
        """

    async def forget(self, key: str) -> tuple[str, ...]:
        """Forget for good what only the run of this effect key has learned; return the ids.

        Nothing to forget is no error. What the run would learn later is refused.

        Raises:
            PatternStoreError: As above.
        """


class Embeddings(Protocol):
    """Turns texts into vectors whose cosine similarity says how alike the texts are."""

    @property
    def name(self) -> str:
        """Names the model and its version: vectors of different names are not compared."""

    async def embed(self, text: str) -> tuple[float, ...]:
        """Return the vector of a text, of length 1; the same text gives the same vector.

        Raises:
            PipelineError: When the model is away or broken, or refuses us.
        """
