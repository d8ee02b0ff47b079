"""Types for fields of files and settings: strict numbers and booleans, names within Temporal's limits."""

from collections.abc import Iterator
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, Field, Strict, ValidationInfo, field_validator

MAX_NAME_BYTES = 1000
"""Limit for workflow ids, workflow types, task queues, signals, versions: Temporal's ``limit.maxIDLength``."""
MAX_INT32 = 2**31 - 1


def at_most_bytes(most: int) -> AfterValidator:
    """Limit a text by its bytes in UTF-8, as Temporal counts; a character has up to four."""

    def check(value: str) -> str:
        if (size := len(value.encode())) > most:
            raise ValueError(f"it has {size} bytes in UTF-8; Temporal takes {most} at most")
        return value

    return AfterValidator(check)


TemporalName = Annotated[
    str, Field(min_length=1, max_length=MAX_NAME_BYTES), at_most_bytes(MAX_NAME_BYTES)
]
"""A name within Temporal's limit."""

DEFAULT_NAMESPACE = ""
"""How tables and plans call the namespace ``temporal.namespace``, whatever its name is."""

Whole = Annotated[int, Strict()]
"""An integer: not a text, not ``true``, not ``1.0``."""
Number = Annotated[float, Strict(), Field(allow_inf_nan=False)]
"""A finite number: not a text, not ``true``."""
Truth = Annotated[bool, Strict()]
"""``true`` or ``false``: neither ``1`` nor ``"yes"``."""


class NoTruthForNumber(BaseModel):
    """Accepts texts as numbers, because environment variables are texts, but not booleans.

    A number is not accepted as a boolean either.
    """

    @field_validator("*", mode="before")
    @classmethod
    def _kind(cls, value: Any, info: ValidationInfo) -> Any:
        kinds = set(_kinds(cls.model_fields[info.field_name or ""].annotation))
        if isinstance(value, bool) and bool not in kinds and kinds & {int, float}:
            raise ValueError(f"{str(value).lower()} is not a number")
        if isinstance(value, int | float) and not isinstance(value, bool) and bool in kinds:
            raise ValueError(f"{value} is neither true nor false")
        return value


def _kinds(annotation: Any) -> Iterator[Any]:
    yield annotation
    for part in getattr(annotation, "__args__", ()):
        yield from _kinds(part)
