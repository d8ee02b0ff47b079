"""`Temporal`: the port for calls to Temporal, with requests and responses as plain values.

It separates the decisions (`bridge.operations`, `bridge.operations.outcomes`), which use no client library,
from the gateway (`bridge.temporal`), which makes no decisions.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal, Protocol
from uuid import UUID

import msgspec

from bridge.errors import BridgeError
from bridge.operations.task_token import TaskToken

RunStatus = Literal[
    "running", "completed", "failed", "canceled", "terminated", "continued-as-new",
    "timed-out", "paused", "unknown",
]  # fmt: skip
IdReusePolicy = Literal["reject-duplicate", "allow-duplicate", "allow-failed-only"]
IdConflictPolicy = Literal["fail", "use-existing", "terminate-existing"]
UpdateStage = Literal["admitted", "accepted", "completed"]

_OPEN = frozenset({"running", "paused"})


class Argument(msgspec.Struct, frozen=True, kw_only=True):
    """The one argument of a workflow, signal or update; without data it is JSON ``null``."""

    data: bytes | None = None
    is_json: bool = True


class RetryPolicy(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How Temporal retries a failed workflow as a whole. Intervals are in seconds."""

    initial_interval: float = 1.0
    backoff_coefficient: float = 2.0
    maximum_interval: float | None = None
    maximum_attempts: int = 0
    """0: unlimited."""
    non_retryable_error_types: tuple[str, ...] = ()


class PinnedVersion(msgspec.Struct, frozen=True, kw_only=True):
    """The version of a worker deployment that a run is pinned to."""

    deployment_name: str
    build_id: str


class StartOptions(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Temporal's own options of a start. Durations are in seconds; ``None`` leaves the default."""

    id_reuse_policy: IdReusePolicy = "reject-duplicate"
    id_conflict_policy: IdConflictPolicy = "fail"
    execution_timeout: float | None = None
    run_timeout: float | None = None
    task_timeout: float | None = None
    start_delay: float | None = None
    retry_policy: RetryPolicy | None = None
    priority_key: int | None = None
    fairness_key: str | None = None
    fairness_weight: float | None = None
    static_summary: str | None = None
    static_details: str | None = None
    versioning_override: PinnedVersion | Literal["auto-upgrade"] | None = None


class StartCall(msgspec.Struct, frozen=True, kw_only=True):
    """Start a workflow, once per request id and, depending on policy, once per workflow id."""

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
    """Empty: the open run."""
    signal: str
    request_id: UUID
    argument: Argument


class UpdateCall(msgspec.Struct, frozen=True, kw_only=True):
    """Update a run; the update id (the request id) is deduplicated within that run."""

    workflow_id: str
    run_id: str = ""
    """Empty: the latest run."""
    update: str
    request_id: UUID
    argument: Argument
    wait_for: Literal["accepted", "completed"] = "accepted"
    """Temporal lets no client wait for ``admitted``: the server does not persist that stage."""


class UpdateAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """The stage of an update, which may be earlier than the requested one.

    ``admitted`` means that no worker has taken the update yet.
    """

    stage: UpdateStage
    run_id: str
    rejected: str | None = None
    """The validator's message. The run's history does not have the update."""
    failed: str | None = None
    """The message of a handler that failed; the update was accepted before."""


class ActivityOptions(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Temporal's own options of an activity. Durations are in seconds; ``None`` leaves the default."""

    id_reuse_policy: IdReusePolicy = "reject-duplicate"
    id_conflict_policy: Literal["fail", "use-existing"] = "fail"
    start_to_close_timeout: float | None = None
    schedule_to_close_timeout: float | None = None
    schedule_to_start_timeout: float | None = None
    heartbeat_timeout: float | None = None
    retry_policy: RetryPolicy | None = None
    priority_key: int | None = None


class StartActivityCall(msgspec.Struct, frozen=True, kw_only=True):
    """Start an activity without a workflow, once per request id and, depending on policy, per id."""

    activity: str
    task_queue: str
    activity_id: str
    request_id: UUID
    argument: Argument
    search_attributes: Mapping[str, Any]
    options: ActivityOptions = ActivityOptions()


class ActivityFailure(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How an activity fails."""

    message: str
    type: str
    non_retryable: bool = False


class EndActivityCall(msgspec.Struct, frozen=True, kw_only=True):
    """Complete an activity with a result, or fail it if there is a failure."""

    task: TaskToken
    request_id: UUID
    result: Argument
    failure: ActivityFailure | None = None


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """A workflow run, with what started it, if Temporal has that."""

    run_id: str
    status: RunStatus = "unknown"
    first_run_id: str = ""
    """The first run of its chain (continue-as-new, retry, cron)."""
    started: bool = True
    """Whether the call that returned it started it; False: the run existed."""
    cancel_requested: bool = False
    start_request_id: str = ""
    event_uid: str = ""
    route: str = ""
    generation: int = 1
    """Generation of the dispatch that started it, from its memo."""

    @property
    def is_open(self) -> bool:
        """Whether it still accepts signals."""
        return self.status in _OPEN


class ListedRun(msgspec.Struct, frozen=True, kw_only=True):
    """A run as visibility lists it."""

    workflow_id: str
    run_id: str
    workflow: str
    """Its type."""
    task_queue: str
    status: RunStatus
    started_at: datetime
    is_child: bool
    """Whether it is a child workflow."""
    event_uid: str = ""
    route: str = ""


class Temporal(Protocol):
    """The calls that operations make; idempotent by request id where there is one.

    All raise `CallError`. A call without a response may have taken effect: repeat it. "The
    execution" is a whole chain of runs, identified by its first run.
    """

    async def start(self, call: StartCall) -> Run:
        """Start a workflow."""
        ...

    async def signal(self, call: SignalCall) -> str:
        """Signal an open run and return its run id, empty if Temporal does not return it."""
        ...

    async def signal_with_start(self, start: StartCall, signal: SignalCall) -> Run:
        """Signal the open run of a workflow id, or start a run and signal it, atomically.

        Both use the start's request id.
        """
        ...

    async def update(self, call: UpdateCall) -> UpdateAnswer:
        """Send an update to a run and wait for the stage, for some seconds.

        A closed run still returns the result of an update that it accepted.
        """
        ...

    async def update_with_start(self, start: StartCall, update: UpdateCall) -> UpdateAnswer:
        """Update the open run of a workflow id, or start a run and update it.

        Not atomic: the run may have been started although the update failed.
        """
        ...

    async def cancel(self, workflow_id: str, first_run_id: str, request_id: UUID) -> None:
        """Request cancellation of an execution. No error when it is closed.

        NOT_FOUND when another execution now has the workflow id.
        """
        ...

    async def terminate(self, workflow_id: str, first_run_id: str, reason: str) -> None:
        """Terminate an execution. NOT_FOUND when it is closed."""
        ...

    async def start_activity(self, call: StartActivityCall) -> Run:
        """Start an activity without a workflow."""
        ...

    async def end_activity(self, call: EndActivityCall) -> None:
        """Complete or fail an activity. NOT_FOUND when it has ended, or was tried again."""
        ...

    async def activity_ended(self, call: EndActivityCall, since: datetime) -> bool:
        """Return whether an activity that has ended shows that this call ended it.

        Of a workflow, its history shows the request id, searched back to ``since``. Without a
        workflow, an activity with the same result has the same effect.
        """
        ...

    async def describe(self, workflow_id: str, run_id: str = "") -> Run:
        """Return a run, by default the latest of its workflow id."""
        ...

    async def received(
        self, workflow_id: str, run_id: str, request_id: UUID, since: datetime
    ) -> bool:
        """Return whether a closed run's history has a signal or update with this request id.

        Searches the runs before it in the chain too, back to ``since``.
        """
        ...


class CallError(BridgeError):
    """Temporal returned an error, or did not answer in time.

    Attributes:
        status: The gRPC status, in capitals.
        limit: The exceeded limit (``RPS_LIMIT``, ``BUSY_WORKFLOW`` …), so that the same call may
            succeed later; empty when Temporal named none.
        already_started: The run that has the workflow id, when that is the reason.
        namespace_missing: Whether the namespace, not the run, is missing or unavailable.
        misconfigured: Whether the namespace lacks something that the call needs; nothing is
            wrong with the event.
        too_large: Whether the call is larger than the server accepts.
    """

    def __init__(
        self,
        status: str,
        message: str,
        *,
        limit: str = "",
        already_started: Run | None = None,
        namespace_missing: bool = False,
        misconfigured: bool = False,
        too_large: bool = False,
    ) -> None:
        super().__init__(f"{status}: {message}")
        self.status = status
        self.message = message
        self.limit = limit
        self.already_started = already_started
        self.namespace_missing = namespace_missing
        self.misconfigured = misconfigured
        self.too_large = too_large

    def as_misconfigured(self, fault: str) -> "CallError":
        """Return the same error with a fault of the namespace as its reason."""
        return CallError(self.status, f"{fault} ({self.message})", misconfigured=True)

    @property
    def target_gone(self) -> bool:
        """Whether the run is unknown or closed."""
        return self.status == "NOT_FOUND" and not self.namespace_missing
