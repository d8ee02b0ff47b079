"""Vectors from a model."""

from workflows.adapters.openai.client import OpenAIClient


class OpenAIEmbeddings:
    """An ``Embeddings`` that uses a server with OpenAI's API."""

    def __init__(self, client: OpenAIClient, model: str) -> None:
        self._client = client
        self._model = model

    @property
    def name(self) -> str:
        """The model."""
        return f"openai/{self._model}"

    async def embed(self, text: str) -> tuple[float, ...]:
        """Return the model's vector of a text."""
        return await self._client.embed(text)
