"""The notifier's settings."""

from typing import Annotated, Self

from pydantic import Field, SecretStr, model_validator

from workflows.settings.part import Part, one_of


class NotifierSettings(Part):
    """How people are told, beside the result events.

    Attributes:
        adapter: ``webhook``, which is none as long as it has no address.
        webhook: The address that notifications are sent to; without one nobody is told but
            those who listen to the result events, which say the same.
        secret: Signs them, as the receiver knows it: ``whsec_`` and Base64.
        seconds: How long the receiver may take.
    """

    adapter: Annotated[str, one_of("webhook")] = "webhook"
    webhook: str | None = Field(default=None, pattern=r"^https?://\S+$")
    secret: SecretStr | None = None
    seconds: float = Field(default=10, gt=0, le=25)

    @model_validator(mode="after")
    def _signed(self) -> Self:
        if self.webhook is not None and self.secret is None:
            raise ValueError(
                "a webhook needs a secret, so that its receiver can tell who sends"
            )
        return self
