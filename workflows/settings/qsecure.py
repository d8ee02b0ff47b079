"""QSecure's settings."""

from typing import Literal

from pydantic import Field

from workflows.settings.part import Part


class QSecureSettings(Part):
    """Which scanners look at code.

    Attributes:
        scanners: As JSON: ``["bandit", "secrets"]``.
        seconds: How long bandit may take for a file.
    """

    scanners: tuple[Literal["bandit", "secrets"], ...] = Field(
        default=("bandit", "secrets"), min_length=1
    )
    seconds: float = Field(default=120, gt=0, le=540)
