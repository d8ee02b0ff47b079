"""What calls to Temporal ask and answer, as plain values, and the port that makes them.

They stand between the decisions (`bridge.operations`, `bridge.operations.outcomes`), which know no client
library, and the gateway (`bridge.temporal`), which knows nothing else.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal, Protocol
from uuid import UUID

import msgspec

from bridge.errors import BridgeError

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
    """How Temporal repeats a whole workflow that failed. Intervals are in seconds."""

    initial_interval: float = 1.0
    backoff_coefficient: float = 2.0
    maximum_interval: float | None = None
    maximum_attempts: int = 0
    """0: without end."""
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
    """Empty: the latest run."""
    update: str
    request_id: UUID
    argument: Argument
    wait_for: Literal["accepted", "completed"] = "accepted"
    """Temporal does not let a client wait for ``admitted``, which survives no restart."""


class UpdateAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """How far an update came, which may be less far than was waited for.

    ``admitted`` means that no worker has taken it yet.
    """

    stage: UpdateStage
    run_id: str
    rejected: str | None = None
    """The validator's message. Nothing of the update is in the run's history."""
    failed: str | None = None
    """The message of a handler that failed; the update was accepted before."""


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """A workflow run, and who started it as far as Temporal remembers."""

    run_id: str
    status: RunStatus = "unknown"
    first_run_id: str = ""
    """The first of the chain of runs (by continue-as-new, retry, cron) that it belongs to."""
    started: bool = True
    """Whether the call that returned it had started it, rather than found it."""
    cancel_requested: bool = False
    start_request_id: str = ""
    event_uid: str = ""
    route: str = ""
    generation: int = 1
    """Of the dispatch that started it, by its memo."""

    @property
    def is_open(self) -> bool:
        """Whether it can still be signalled."""
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
    """Whether another workflow has started it."""
    event_uid: str = ""
    route: str = ""


class Temporal(Protocol):
    """The calls that operations make; idempotent by request id where there is one.

    All raise `CallError`. One that was not answered may have taken effect: calling again is
    right. "The execution" is a whole chain of runs, named by its first one.
    """

    async def start(self, call: StartCall) -> Run:
        """Start a workflow."""
        ...

    async def signal(self, call: SignalCall) -> str:
        """Signal an open run and return its run id, if Temporal tells it."""
        ...

    async def signal_with_start(self, start: StartCall, signal: SignalCall) -> Run:
        """Signal the open run of a workflow id, starting one if none is open, in one step.

        Both halves go by the start's request id.
        """
        ...

    async def update(self, call: UpdateCall) -> UpdateAnswer:
        """Send an update to a run and wait for the stage, for some seconds.

        A closed run answers for an update that it had accepted.
        """
        ...

    async def cancel(self, workflow_id: str, first_run_id: str, request_id: UUID) -> None:
        """Request cancellation of an execution. Of a closed one it is no error.

        NOT_FOUND when another execution has taken over the workflow id.
        """
        ...

    async def terminate(self, workflow_id: str, first_run_id: str, reason: str) -> None:
        """Terminate an execution. Of a closed one it raises NOT_FOUND."""
        ...

    async def describe(self, workflow_id: str, run_id: str = "") -> Run:
        """Return a run, by default the latest of its workflow id."""
        ...

    async def received(
        self, workflow_id: str, run_id: str, request_id: UUID, since: datetime
    ) -> bool:
        """Tell whether a signal or update with this request id is in a closed run's history.

        Or in that of a run before it in the chain, as far back as ``since``.
        """
        ...


class CallError(BridgeError):
    """Temporal answered with an error, or not in time.

    Attributes:
        status: The gRPC status, in capitals.
        limit: The limit that Temporal says was exceeded, so that the same call may pass later
            (``RPS_LIMIT``, ``BUSY_WORKFLOW`` …); empty when it named none.
        already_started: The run that holds the workflow id, when that is the reason.
        namespace_missing: Whether it is the namespace that is not there or does not serve,
            rather than the run.
        misconfigured: Whether something is missing or wrong in the namespace that the call needs,
            so that nothing is wrong with the event.
        too_large: Whether the call itself is larger than the server takes.
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
        """Return the same refusal, put down to what is wrong in the namespace."""
        return CallError(self.status, f"{fault} ({self.message})", misconfigured=True)

    @property
    def target_gone(self) -> bool:
        """Whether the run is unknown or closed."""
        return self.status == "NOT_FOUND" and not self.namespace_missing
