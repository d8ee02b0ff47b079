"""What calls to Temporal ask and answer, as plain values, and the port that makes them.

They stand between the decisions (`bridge.operations`, `bridge.outcomes`), which know no client
library, and the gateway (`bridge.temporal`), which knows nothing else.
"""

from collections.abc import Mapping
from typing import Any, Literal, Protocol
from uuid import UUID

import msgspec

RunStatus = Literal[
    "running", "completed", "failed", "canceled", "terminated", "continued-as-new",
    "timed-out", "paused", "unknown",
]  # fmt: skip


class Argument(msgspec.Struct, frozen=True, kw_only=True):
    """The one argument of a workflow, signal or update; without data it is JSON ``null``."""

    data: bytes | None = None
    is_json: bool = True


class StartOptions(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Temporal's own options of a start. Durations are in seconds; ``None`` leaves the default."""

    id_reuse_policy: Literal["reject_duplicate", "allow_duplicate", "allow_failed_only"] = (
        "reject_duplicate"
    )
    id_conflict_policy: Literal["fail", "use_existing", "terminate_existing"] = "fail"
    execution_timeout: float | None = None
    run_timeout: float | None = None
    task_timeout: float | None = None
    start_delay: float | None = None
    retry_policy: Mapping[str, Any] | None = None
    """``initial_interval``, ``backoff_coefficient``, ``maximum_interval``,
    ``maximum_attempts``, ``non_retryable_error_types``."""
    priority_key: int | None = None
    fairness_key: str | None = None
    fairness_weight: float | None = None
    static_summary: str | None = None
    static_details: str | None = None
    pinned_version: Mapping[str, str] | None = None
    """A versioning override: ``deployment_name`` and ``build_id`` to pin the run to."""


class StartCall(msgspec.Struct, frozen=True, kw_only=True):
    """Start a workflow, once for each request id and (by policy) once for each workflow id."""

    workflow: str
    task_queue: str
    workflow_id: str
    request_id: UUID
    argument: Argument
    search_attributes: Mapping[str, Any]
    """By name: a keyword, number, bool, or list of keywords; registered with the namespace."""
    memo: Mapping[str, Any]
    options: StartOptions = StartOptions()


class SignalCall(msgspec.Struct, frozen=True, kw_only=True):
    """Signal a run; deduplicated by request id within that run only."""

    workflow_id: str
    run_id: str = ""
    """Empty: whichever run is open."""
    signal: str
    request_id: UUID
    argument: Argument


class UpdateCall(msgspec.Struct, frozen=True, kw_only=True):
    """Update a run; the update id (the request id) is deduplicated within that run."""

    workflow_id: str
    run_id: str = ""
    update: str
    request_id: UUID
    argument: Argument
    wait_for: Literal["admitted", "accepted", "completed"] = "accepted"


class UpdateAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """How far an update came.

    ``rejected`` is the message of the validator (or of a failed handler), which is final.
    """

    stage: Literal["admitted", "accepted", "completed"]
    run_id: str
    rejected: str | None = None


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """A workflow run, and who started it as far as Temporal remembers."""

    run_id: str
    status: RunStatus = "unknown"
    start_request_id: str = ""
    event_uid: str = ""
    route: str = ""


class Temporal(Protocol):
    """The calls that operations make; idempotent by request id where there is one.

    All raise `CallError`. One that was not answered may have taken effect: calling again is
    right.
    """

    async def start(self, call: StartCall) -> Run:
        """Start a workflow."""
        ...

    async def signal(self, call: SignalCall) -> None:
        """Signal an open run."""
        ...

    async def signal_with_start(self, start: StartCall, signal: SignalCall) -> Run:
        """Signal the open run of a workflow id, starting one if none is open."""
        ...

    async def update(self, call: UpdateCall) -> UpdateAnswer:
        """Send an update to an open run and wait for the stage."""
        ...

    async def cancel(self, workflow_id: str, run_id: str, request_id: UUID) -> None:
        """Request cancellation of one run. Of a closed one it is no error."""
        ...

    async def terminate(self, workflow_id: str, run_id: str, reason: str) -> None:
        """Terminate one run. Of a closed one it raises NOT_FOUND."""
        ...

    async def describe(self, workflow_id: str, run_id: str = "") -> Run:
        """Return a run, by default the latest of its workflow id."""
        ...


class CallError(Exception):
    """Temporal answered with an error, or not in time.

    Attributes:
        status: The gRPC status, in capitals.
        limited: Whether Temporal named the limit that was exceeded, so that the same call
            may pass later.
        already_started: The run that holds the workflow id, when that is the reason.
        namespace_missing: Whether NOT_FOUND is about the namespace, not about a run.
    """

    def __init__(
        self,
        status: str,
        message: str,
        *,
        limited: bool = False,
        already_started: Run | None = None,
        namespace_missing: bool = False,
    ) -> None:
        super().__init__(f"{status}: {message}")
        self.status = status
        self.message = message
        self.limited = limited
        self.already_started = already_started
        self.namespace_missing = namespace_missing
