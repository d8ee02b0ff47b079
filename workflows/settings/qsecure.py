"""QSecure's settings."""

from typing import Annotated

from pydantic import Field

from workflows.settings.part import Part, one_of


class QSecureSettings(Part):
    """Which scanners look at code.

    Attributes:
        scanners: As JSON: ``["bandit", "secrets"]``.
        seconds: How long bandit may take for a file.
    """

    scanners: tuple[Annotated[str, one_of("bandit", "secrets")], ...] = Field(
        default=("bandit", "secrets"), min_length=1
    )
    seconds: float = Field(default=120, gt=0, le=540)
