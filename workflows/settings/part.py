"""The base of a module's settings."""

from pydantic import BaseModel, ConfigDict


class Part(BaseModel):
    """A part of the worker's settings; an unknown one in it is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")
