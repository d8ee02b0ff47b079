"""The base class of all messages."""

from pydantic import BaseModel, ConfigDict


class Message(BaseModel):
    """The input or output of a workflow or activity, stored in Temporal's history.

    Unknown fields are ignored. A message may come from a newer worker during a rolling update,
    or be an event's data, which its publisher may extend.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")
