"""The base of a module's settings, and how they name adapters."""

import re

from pydantic import AfterValidator, BaseModel, ConfigDict
from pydantic_core import PydanticCustomError

_FACTORY = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*")


class Part(BaseModel):
    """A part of the worker's settings; an unknown one in it is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def one_of(*ours: str) -> AfterValidator:
    """Check that a setting names one of our adapters, or a team's own: ``package.module:factory``.

    What a factory is given and returns stands in `workflows.modules.choosing`.
    """

    def check(named: str) -> str:
        if named in ours or _FACTORY.fullmatch(named):
            return named
        known = ", ".join(ours)
        raise PydanticCustomError(
            "adapter", f"it is {known}, or your own as package.module:factory"
        )

    return AfterValidator(check)
