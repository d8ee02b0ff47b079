"""The one base of every message."""

from pydantic import BaseModel, ConfigDict


class Message(BaseModel):
    """A value that travels through Temporal's history: one goes in, one comes out.

    Unknown fields are ignored rather than refused. A message may come from a newer worker in
    the middle of a rolling update, or be an event's data, which its publisher may extend.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")
