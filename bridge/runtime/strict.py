"""What a field of a file or of settings takes: numbers that are numbers, names that Temporal has room for."""

from collections.abc import Iterator
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, Field, Strict, ValidationInfo, field_validator

MAX_NAME_BYTES = 1000
"""Of workflow ids, workflow types, task queues, signals, versions: Temporal's ``limit.maxIDLength``."""
MAX_INT32 = 2**31 - 1


def at_most_bytes(most: int) -> AfterValidator:
    """Bound a text by its bytes in UTF-8, as Temporal counts; a character may take four."""

    def check(value: str) -> str:
        if (size := len(value.encode())) > most:
            raise ValueError(f"it has {size} bytes in UTF-8; Temporal takes {most} at most")
        return value

    return AfterValidator(check)


TemporalName = Annotated[
    str, Field(min_length=1, max_length=MAX_NAME_BYTES), at_most_bytes(MAX_NAME_BYTES)
]
"""A name that Temporal keeps."""

Whole = Annotated[int, Strict()]
"""A whole number: not a text that reads like one, and neither ``true`` nor ``1.0``."""
Number = Annotated[float, Strict(), Field(allow_inf_nan=False)]
"""Likewise, of any number."""
Truth = Annotated[bool, Strict()]
"""``true`` or ``false``: neither ``1`` nor ``"yes"``."""


class NoTruthForNumber(BaseModel):
    """Takes texts for numbers, as environment variables are texts, but no truth value for one.

    Nor a number for a truth value: in a file each is what it is.
    """

    @field_validator("*", mode="before")
    @classmethod
    def _kind(cls, value: Any, info: ValidationInfo) -> Any:
        kinds = set(_kinds(cls.model_fields[info.field_name or ""].annotation))
        if isinstance(value, bool) and bool not in kinds and kinds & {int, float}:
            raise ValueError(f"{str(value).lower()} is no number")
        if isinstance(value, int | float) and not isinstance(value, bool) and bool in kinds:
            raise ValueError(f"{value} is neither true nor false")
        return value


def _kinds(annotation: Any) -> Iterator[Any]:
    yield annotation
    for part in getattr(annotation, "__args__", ()):
        yield from _kinds(part)
