"""Settings of a server that speaks OpenAI's HTTP interface."""

from typing import Self

from pydantic import Field, SecretStr, model_validator

from workflows.settings.part import Part


class OpenAISettings(Part):
    """Where the language model is: OpenAI's own, or anything that speaks like it.

    Attributes:
        base_url: Up to and including the version: ``https://api.openai.com/v1``.
        model: Which writes code.
        embedding_model: Which makes vectors.
        api_key: Sent as a bearer token, if there is one.
        seconds: For a whole answer.
        silence: Seconds that may pass between two pieces of an answer.
        max_tokens: Of an answer; by default what the server allows.
    """

    base_url: str = Field(default="https://api.openai.com/v1", pattern=r"^https?://\S+$")
    model: str = ""
    embedding_model: str = ""
    api_key: SecretStr | None = None
    seconds: float = Field(default=540, gt=0)
    silence: float = Field(default=60, gt=0)
    max_tokens: int | None = Field(default=None, gt=0)

    @model_validator(mode="after")
    def _key_is_kept(self) -> Self:
        scheme, _, host = self.base_url.split("/")[:3]
        if "@" in host:
            raise ValueError("base_url is shown in messages: put the key into api_key")
        local = host.partition(":")[0] in {"localhost", "127.0.0.1"} or host.startswith("[::1]")
        if scheme == "http:" and not local and self.api_key is not None:
            raise ValueError("an api_key is not sent over http: use https")
        return self
