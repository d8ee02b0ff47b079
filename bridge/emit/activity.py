"""The activity `ACTIVITY` as the daemon runs it; see `bridge.emit.service`."""

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
from bridge.emit.checking import Argument, Work, read
from bridge.emit.message_limit import check_sizes
from bridge.emit.request import ACTIVITY, Emitter, InvalidEmitError, ids_of, stream_of
from bridge.evaluation.process import ChildEndedError
from bridge.lifecycle.crash_points import fault
from bridge.operations.calls import CallError
from bridge.operations.outcomes import classify
from bridge.runtime.propagation import fields
from bridge.temporal.ancestry import MEMBERS, read_memo
from eventstore.errors import AppendRefused, EventStoreError, InvalidEvent, Unavailable
from eventstore.events import NewEvent
from eventstore.store import EventStore

log = structlog.get_logger(__name__)

HEADER_PREFIX = "ntbridge-"
"""Headers of the activity that hold the fields of the run's memo have it before their names."""

_REMEMBERED = 10_000
_headers: ContextVar[Mapping[str, Payload]] = ContextVar("headers")


class Memos(Protocol):
    """Knows what began a run; the gateway to Temporal."""

    async def lineage_memo(self, workflow_id: str, run_id: str) -> dict[str, Any]:
        """Return what a run's memo, or an ancestor's, says about the event that began it.

        Raises:
            CallError: Temporal is away, or does not know the run.
        """
        ...


class EmitActivities:
    """The activity, apart from who polls for it.

    Args:
        store: Where events are appended.
        memos: Asked for runs that do not say what began them.
        namespace: Returns the secret from which the events' ids follow (`EmitIdentity`).
        most: Returns how many bytes a message of the results' stream may have (`MessageLimit`).
        work: Reads large arguments elsewhere than on the event loop (`Evaluator.work`).
    """

    def __init__(
        self,
        store: EventStore,
        memos: Memos,
        namespace: Callable[[], Awaitable[UUID]],
        most: Callable[[], Awaitable[int | None]],
        work: Work,
    ) -> None:
        self._work = work
        self._most = most
        self._store = store
        self._id_namespace = namespace
        self._memos = memos
        self._known: OrderedDict[str, Lineage] = OrderedDict()

    # Dynamic, so that a misspelt name or a second argument is told at once and not tried for ever.
    @activity.defn(dynamic=True)
    async def emit(self, arguments: Sequence[RawValue]) -> dict[str, Any]:
        """Append a run's result events to its stream in one commit; return their ids.

        Raises:
            ApplicationError: Not to be tried again when the argument is wrong or the store
                refuses the events; else to be tried until it works.
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
            given = Argument(
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
            raise _passing(error, "StoreUnavailable") from None

    async def _append(self, emitter: Emitter, events: Sequence[NewEvent]) -> None:
        try:
            await self._store.append(stream_of(emitter.workflow_id), events)
        except (AppendRefused, InvalidEvent) as error:
            raise _refused(error, emitter) from error
        except Unavailable as error:
            log.warning("emit.store_unavailable", error=str(error))
            raise _passing(error, "StoreUnavailable") from None
        except EventStoreError as error:
            # Not these events are at fault, but the database or this program: mended, it takes them.
            log.error(
                "emit.store_broken",
                workflow_id=emitter.workflow_id,
                error=str(error),
                next_step="mend the database; the emit is tried again meanwhile",
            )
            raise _passing(error, "StoreBroken") from None
        fault("emit.appended")

    async def _lineage(self, emitter: Emitter) -> Lineage:
        known = self._known.get(emitter.run_id)
        if known is None:
            memo = read_memo(_sent_along()) or await self._ask(emitter)
            known = _lineage_of(memo, emitter)
            self._known[emitter.run_id] = known
            if len(self._known) > _REMEMBERED:
                self._known.popitem(last=False)
        return known

    async def _ask(self, emitter: Emitter) -> dict[str, Any]:
        try:
            return await self._memos.lineage_memo(emitter.workflow_id, emitter.run_id)
        except CallError as error:
            if error.target_gone:
                # Deleted under the activity's hands: nobody is left to be answered.
                raise ApplicationError(
                    f"the run {emitter.run_id} is gone: {error}",
                    type="RunGone",
                    non_retryable=True,
                ) from error
            log.warning("emit.temporal_unavailable", error=str(error), kind=classify(error))
            raise _passing(error, "TemporalUnavailable") from None


class _NotesHeaders(Interceptor):
    """Makes the headers of an activity known to it."""

    @override
    def intercept_activity(
        self, next: ActivityInboundInterceptor
    ) -> ActivityInboundInterceptor:
        return _NotingHeaders(next)


class _NotingHeaders(ActivityInboundInterceptor):
    @override
    async def execute_activity(self, input: ExecuteActivityInput) -> Any:
        _headers.set(input.headers)
        return await super().execute_activity(input)


def interceptors() -> list[Interceptor]:
    """What a worker needs that serves `EmitActivities`."""
    return [_NotesHeaders()]


def _traced(lineage: Lineage) -> Lineage:
    """Have events say that their trace began here, where somebody traces.

    It is the same trace as that of the event that led to them. A later try may say another
    place in it; the store keeps the first.
    """
    trace = fields()
    if not trace:
        return lineage
    return structs.replace(lineage, extensions={**lineage.extensions, **trace})


def _argument(name: str, arguments: Sequence[RawValue]) -> bytes:
    if name != ACTIVITY:
        raise _permanent(
            InvalidEmitError(f"there is no activity {name!r} here, only {ACTIVITY!r}")
        )
    if len(arguments) != 1:
        raise _permanent(
            InvalidEmitError(
                f"{ACTIVITY} takes one argument, an object with 'type' and 'data' or a list "
                f"of such; it was given {len(arguments)}"
            )
        )
    payload = arguments[0].payload
    encoding = payload.metadata.get("encoding", b"").decode(errors="replace")
    if encoding != "json/plain":
        raise _permanent(
            InvalidEmitError(
                f"the argument is no plain JSON, its encoding is {encoding!r}: emit without a "
                "payload codec, since the event is for everybody"
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
    return _passing(error, "EvaluationUnavailable")


def _permanent(error: InvalidEmitError) -> ApplicationError:
    return ApplicationError(str(error), type="InvalidEmitError", non_retryable=True)


def _passing(error: Exception, kind: str) -> ApplicationError:
    # Benign: it is logged here, in one line, and need not be once more with a traceback.
    return ApplicationError(str(error), type=kind, category=ApplicationErrorCategory.BENIGN)


def _sent_along() -> dict[str, Payload]:
    headers = _headers.get({})
    return {
        name: headers[HEADER_PREFIX + name]
        for name in MEMBERS
        if HEADER_PREFIX + name in headers
    }


def _lineage_of(memo: Mapping[str, Any], emitter: Emitter) -> Lineage:
    origin = originating(emitter.source, emitter.workflow_id)
    if "bridge" not in memo:
        return origin
    try:
        return inherited(memo)
    except msgspec.ValidationError as error:
        # A run must come to its end whatever was written into its memo.
        log.warning("emit.memo_unreadable", workflow_id=emitter.workflow_id, error=str(error))
        return origin
