"""What a call to Temporal asks and what it answers, as plain values.

They stand between the decisions (`bridge.dispatch`), which know no client library, and the
gateway (`bridge.temporal`), which knows nothing else.
"""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

import msgspec


class StartCall(msgspec.Struct, frozen=True, kw_only=True):
    """Start a workflow, once for each request id and once for each workflow id."""

    workflow: str
    task_queue: str
    workflow_id: str
    request_id: UUID
    argument: bytes | None
    """The one argument; ``None`` is the JSON value ``null``."""
    argument_is_json: bool
    search_attributes: Mapping[str, str]
    """Keywords by name; each must be registered with the namespace."""
    memo: Mapping[str, Any]


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """A workflow run, and who started it as far as Temporal remembers."""

    run_id: str
    start_request_id: str = ""
    event_uid: str = ""
    route: str = ""


class CallError(Exception):
    """Temporal answered with an error, or not in time.

    Attributes:
        status: The gRPC status, in capitals.
        limited: Whether Temporal named the limit that was exceeded, so that the same call
            may pass later.
        already_started: The run that holds the workflow id, when that is the reason.
    """

    def __init__(
        self,
        status: str,
        message: str,
        *,
        limited: bool = False,
        already_started: Run | None = None,
    ) -> None:
        super().__init__(f"{status}: {message}")
        self.status = status
        self.message = message
        self.limited = limited
        self.already_started = already_started
