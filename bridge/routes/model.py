"""What a routes file says."""

from collections.abc import Mapping
from functools import cached_property
from hashlib import sha256
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    model_validator,
)

from bridge.errors import SubjectError
from bridge.operations import OPERATIONS
from bridge.operations.base import Operation, SpecModel
from bridge.operations.fields import CompiledExpression
from bridge.operations.start import StartSpec
from bridge.subjects import check_filter


def _subject_filter(value: str) -> str:
    try:
        return check_filter(value)
    except SubjectError as error:
        raise ValueError(str(error)) from None


class GiveUp(BaseModel):
    """When transient failures become a dead letter after all; without it, never."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    attempts: int | None = Field(None, ge=1)
    seconds: float | None = Field(None, gt=0)


class Route(BaseModel):
    """Events that match lead to one operation."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,99}$")
    subject: Annotated[str, AfterValidator(_subject_filter)] = Field(alias="from")
    type: str | None = Field(None, min_length=1)
    """Exact, or a prefix that ends with ``*``."""
    source: str | None = Field(None, min_length=1)
    """Exact, or a prefix that ends with ``*``."""
    extensions: Mapping[str, str] = Field(default_factory=dict)
    """Extension attributes that must have these values."""
    when: CompiledExpression | None = None
    key: CompiledExpression | None = None
    """Events of one key are dispatched one after another; default: the target."""
    only: tuple[str, ...] = ()
    """Patterns (``*``) of the workflow ids this route may touch; empty: any."""
    give_up_after: GiveUp = GiveUp()
    max_in_flight: int | None = Field(None, ge=1)
    rate: float | None = Field(None, gt=0)
    """Calls a second, at most."""
    start: StartSpec | None = None

    @model_validator(mode="after")
    def _one_operation(self) -> "Route":
        named = [name for name in OPERATIONS if getattr(self, name, None) is not None]
        if len(named) != 1:
            raise ValueError(
                f"names {', '.join(named) if named else 'no operation'}; a route names exactly "
                f"one of {', '.join(OPERATIONS)}",
            )
        return self

    @cached_property
    def operation(self) -> Operation[Any]:
        """The operation this route leads to."""
        return next(
            op for name, op in OPERATIONS.items() if getattr(self, name, None) is not None
        )

    @cached_property
    def digest(self) -> bytes:
        """SHA-256 (32 bytes) of what the route says, to tell one revision from another."""
        return sha256(self.model_dump_json(by_alias=True).encode()).digest()

    @property
    def spec(self) -> SpecModel:
        """What the route says about its operation."""
        spec: SpecModel = getattr(self, self.operation.name)
        return spec
