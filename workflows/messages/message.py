"""The base class of all messages."""

from pydantic import BaseModel, ConfigDict


class Message(BaseModel):
    """The input or output of a workflow or activity, stored in Temporal's history.

    Unknown fields are ignored, because a message may come from a newer worker during a rolling
    update. In a request, the data of an event that starts a run, they are refused
    (`workflows.platform.inputs`).
    """

    model_config = ConfigDict(frozen=True, extra="ignore")
