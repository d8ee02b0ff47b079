"""Vectors from a model."""

from workflows.adapters.openai.client import OpenAIClient


class OpenAIEmbeddings:
    """An ``Embeddings`` that asks a server that speaks OpenAI's interface."""

    def __init__(self, client: OpenAIClient, model: str) -> None:
        self._client = client
        self._model = model

    @property
    def name(self) -> str:
        """The model."""
        return f"openai/{self._model}"

    async def embed(self, text: str) -> tuple[float, ...]:
        """Have the model make the vector."""
        return await self._client.embed(text)
