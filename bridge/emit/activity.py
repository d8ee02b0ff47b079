"""`EmitActivities`: the activity `ACTIVITY` in the daemon; see `bridge.emit.service`."""

from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextvars import ContextVar
from typing import Any, Protocol
from uuid import UUID

import msgspec
import structlog
from msgspec import structs
from temporalio import activity
from temporalio.api.common.v1 import Payload
from temporalio.common import RawValue
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory
from temporalio.worker import (
    ActivityInboundInterceptor,
    ExecuteActivityInput,
    Interceptor,
)
from typing_extensions import override

from bridge.cloudevents.lineage import Lineage, inherited, originating
from bridge.emit.checking import CallApart, EmitArgument, read
from bridge.emit.message_limit import check_sizes
from bridge.emit.request import ACTIVITY, Emitter, InvalidEmitError, ids_of, stream_of
from bridge.evaluation.process import ChildEndedError
from bridge.lifecycle.crash_points import fault
from bridge.operations.calls import CallError
from bridge.operations.outcomes import classify
from bridge.runtime.codec.encryption import key_id_of
from bridge.runtime.propagation import fields
from bridge.temporal.ancestry import MEMBERS, read_memo
from eventstore.errors import AppendRefused, EventStoreError, InvalidEvent, Unavailable
from eventstore.events import NewEvent
from eventstore.store import EventStore

log = structlog.get_logger(__name__)

HEADER_PREFIX = "ntbridge-"
"""Prefix of the activity's headers that have the fields of the run's memo."""

_MAX_KNOWN = 10_000
_headers: ContextVar[Mapping[str, Payload]] = ContextVar("headers")


class Memos(Protocol):
    """Reads which event started a run, from Temporal."""

    async def lineage_memo(self, workflow_id: str, run_id: str) -> dict[str, Any]:
        """Return the memo fields about the event that started a run, its own or an ancestor's.

        Raises:
            CallError: Temporal is unavailable, or does not know the run.
        """
        ...


class EmitActivities:
    """The activity, without the worker that polls for it.

    Args:
        store: Stores the events.
        memos: Reads the memo of runs whose activity headers lack it.
        namespace: Returns the secret from which event ids are derived (`EmitIdentity`).
        most: Returns the maximum message size of the results stream in bytes (`MessageLimit`).
        work: Reads large arguments outside the event loop (`Evaluator.work`).
    """

    def __init__(
        self,
        store: EventStore,
        memos: Memos,
        namespace: Callable[[], Awaitable[UUID]],
        most: Callable[[], Awaitable[int | None]],
        work: CallApart,
    ) -> None:
        self._work = work
        self._most = most
        self._store = store
        self._id_namespace = namespace
        self._memos = memos
        self._known: OrderedDict[str, Lineage] = OrderedDict()

    # Dynamic: a misspelt name or a second argument then fails at once instead of retrying forever.
    @activity.defn(dynamic=True)
    async def emit(self, arguments: Sequence[RawValue]) -> dict[str, Any]:
        """Append a run's result events to its stream in one commit; return their ids.

        Raises:
            ApplicationError: Non-retryable when the argument is invalid or the store refuses
                the events; otherwise retryable.
        """
        info = activity.info()
        argument = _argument(info.activity_type, arguments)
        emitter = Emitter(
            namespace=info.workflow_namespace or info.namespace,
            workflow_type=info.workflow_type or "",
            workflow_id=info.workflow_id or "",
            run_id=info.workflow_run_id or "",
            activity_id=info.activity_id,
            scheduled=info.scheduled_time,
        )
        try:
            lineage = _traced(await self._lineage(emitter))
            given = EmitArgument(
                argument=argument,
                emitter=emitter,
                lineage=lineage,
                namespace=await self._namespace(),
            )
            events = await read(self._work, given)
            check_sizes(events, await self._most())
        except InvalidEmitError as error:
            raise _permanent(error) from error
        except InvalidEvent as error:
            raise _refused(error, emitter) from error
        except ChildEndedError as error:
            raise _unread(error, emitter) from error
        await self._append(emitter, events)
        return {"ids": ids_of(events)}

    async def _namespace(self) -> UUID:
        try:
            return await self._id_namespace()
        except Unavailable as error:
            log.warning("emit.store_unavailable", error=str(error))
            raise _transient(error, "StoreUnavailable") from None

    async def _append(self, emitter: Emitter, events: Sequence[NewEvent]) -> None:
        try:
            await self._store.append(stream_of(emitter.workflow_id), events)
        except (AppendRefused, InvalidEvent) as error:
            raise _refused(error, emitter) from error
        except Unavailable as error:
            log.warning("emit.store_unavailable", error=str(error))
            raise _transient(error, "StoreUnavailable") from None
        except EventStoreError as error:
            # The database or the bridge is at fault, not the events: a retry succeeds after the fix.
            log.error(
                "emit.store_broken",
                workflow_id=emitter.workflow_id,
                error=str(error),
                next_step="correct the fault in the database; Temporal retries the emit until then",
            )
            raise _transient(error, "StoreBroken") from None
        fault("emit.appended")

    async def _lineage(self, emitter: Emitter) -> Lineage:
        known = self._known.get(emitter.run_id)
        if known is None:
            memo = read_memo(_sent_along()) or await self._ask(emitter)
            known = _lineage_of(memo, emitter)
            self._known[emitter.run_id] = known
            if len(self._known) > _MAX_KNOWN:
                self._known.popitem(last=False)
        return known

    async def _ask(self, emitter: Emitter) -> dict[str, Any]:
        try:
            return await self._memos.lineage_memo(emitter.workflow_id, emitter.run_id)
        except CallError as error:
            if error.target_gone:
                # The run was deleted while its activity ran: no workflow waits for the result.
                raise ApplicationError(
                    f"the run {emitter.run_id} is gone: {error}",
                    type="RunGone",
                    non_retryable=True,
                ) from error
            log.warning("emit.temporal_unavailable", error=str(error), kind=classify(error))
            raise _transient(error, "TemporalUnavailable") from None


class _HeadersInterceptor(Interceptor):
    """Makes an activity's headers available to the activity."""

    @override
    def intercept_activity(
        self, next: ActivityInboundInterceptor
    ) -> ActivityInboundInterceptor:
        return _HeadersInbound(next)


class _HeadersInbound(ActivityInboundInterceptor):
    @override
    async def execute_activity(self, input: ExecuteActivityInput) -> Any:
        _headers.set(input.headers)
        return await super().execute_activity(input)


def interceptors() -> list[Interceptor]:
    """Return the interceptors that a worker for `EmitActivities` needs."""
    return [_HeadersInterceptor()]


def _traced(lineage: Lineage) -> Lineage:
    """Set the events' trace context to the current span, when tracing is on.

    The trace is that of the event that led to them. A retry may have another span; the store keeps
    the first one.
    """
    trace = fields()
    if not trace:
        return lineage
    return structs.replace(lineage, extensions={**lineage.extensions, **trace})


def _argument(name: str, arguments: Sequence[RawValue]) -> bytes:
    if name != ACTIVITY:
        raise _permanent(
            InvalidEmitError(f"unknown activity {name!r}; this worker serves only {ACTIVITY!r}")
        )
    if len(arguments) != 1:
        raise _permanent(
            InvalidEmitError(
                f"{ACTIVITY} takes one argument, an object with 'type' and 'data' or a list "
                f"of such objects; it received {len(arguments)}"
            )
        )
    payload = arguments[0].payload
    if (key_id := key_id_of(payload)) is not None:
        # With a codec, the SDK has decoded it. The daemon's settings are at fault, not the workflow.
        error = InvalidEmitError(
            f"the argument is encrypted with the key {key_id!r}, and this daemon has no codec: set "
            "temporal.codec"
        )
        log.warning("emit.no_codec", error=str(error))
        raise _transient(error, "CodecMissing")
    encoding = payload.metadata.get("encoding", b"").decode(errors="replace")
    if encoding != "json/plain":
        raise _permanent(
            InvalidEmitError(
                f"the argument is not plain JSON, its encoding is {encoding!r}: emit JSON, and let the "
                "daemon decode what a payload codec encodes (temporal.codec), because every subscriber "
                "must be able to read the event"
            )
        )
    return payload.data


def _refused(error: AppendRefused | InvalidEvent, emitter: Emitter) -> ApplicationError:
    log.error(
        "emit.refused",
        workflow_id=emitter.workflow_id,
        run_id=emitter.run_id,
        error=str(error),
    )
    return ApplicationError(str(error), type="ResultRefusedError", non_retryable=True)


def _unread(error: ChildEndedError, emitter: Emitter) -> ApplicationError:
    if error.took_too_much:
        return _permanent(InvalidEmitError(f"the argument cannot be read: {error}"))
    log.warning("emit.not_read", workflow_id=emitter.workflow_id, error=str(error))
    return _transient(error, "EvaluationUnavailable")


def _permanent(error: InvalidEmitError) -> ApplicationError:
    return ApplicationError(str(error), type="InvalidEmitError", non_retryable=True)


def _transient(error: Exception, kind: str) -> ApplicationError:
    # Benign: it is logged above in one line; the SDK need not log it again with a traceback.
    return ApplicationError(str(error), type=kind, category=ApplicationErrorCategory.BENIGN)


def _sent_along() -> dict[str, Payload]:
    headers = _headers.get({})
    return {
        name: headers[HEADER_PREFIX + name]
        for name in MEMBERS
        if HEADER_PREFIX + name in headers and key_id_of(headers[HEADER_PREFIX + name]) is None
    }


def _lineage_of(memo: Mapping[str, Any], emitter: Emitter) -> Lineage:
    origin = originating(emitter.source, emitter.workflow_id)
    if "bridge" not in memo:
        return origin
    try:
        return inherited(memo)
    except msgspec.ValidationError as error:
        # An invalid memo must not prevent the run from completing.
        log.warning("emit.memo_unreadable", workflow_id=emitter.workflow_id, error=str(error))
        return origin
