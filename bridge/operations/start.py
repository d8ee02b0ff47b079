"""``start``: start exactly one run for each event and route."""

from typing import ClassVar, Self
from uuid import UUID

import msgspec
from pydantic import model_validator
from typing_extensions import override

from bridge.cel import EventScope
from bridge.operations.base import Dispatch, Operation, Planned
from bridge.operations.calls import (
    CallError,
    IdConflictPolicy,
    IdReusePolicy,
    Temporal,
)
from bridge.operations.fields import TextExpression
from bridge.operations.outcomes import Outcome
from bridge.operations.starting import (
    PlannedStart,
    StartFields,
    collision,
    own,
    plan_start,
    start_again,
    start_call,
    watched,
)
from eventstore.events import StoredEvent


class StartSpec(StartFields):
    """Start a workflow.

    ``id`` defaults to ``<route>/<event uid>``. When a run of another event or caller has that id,
    the two policies decide; with their defaults the dispatch becomes a ``collision``.
    """

    id: TextExpression | None = None
    """CEL: the workflow id."""
    id_reuse_policy: IdReusePolicy = "reject-duplicate"
    """Whether the id of a closed run may be used again."""
    id_conflict_policy: IdConflictPolicy = "fail"
    """What to do with an open run that has this id: keep it, join it, or terminate it."""

    @model_validator(mode="after")
    def _policies_fit(self) -> Self:
        if (
            self.id_conflict_policy == "terminate-existing"
            and self.id_reuse_policy == "reject-duplicate"
        ):
            raise ValueError(
                "id_conflict_policy: terminate-existing needs id_reuse_policy: allow-duplicate "
                "(or allow-failed-only), because the new run reuses the id of the terminated run"
            )
        return self


class Start(Operation[StartSpec]):
    """Starts a workflow; a repeat finds the run that the first attempt started.

    ==========================================  ============================================
    run with the workflow id                    outcome
    ==========================================  ============================================
    none                                        done
    has this start request id                   done: the first attempt's response was lost
    has this event and route                    duplicate: the run has continued as new, or an
                                                earlier generation started it
    of another event or caller                  collision, or as the route's policies say
    the same, open, with ``use-existing``       done, code ``joined``
    ==========================================  ============================================
    """

    name: ClassVar[str] = "start"

    @override
    def plan(self, spec: StartSpec, scope: EventScope, *, route: str, uid: UUID) -> Planned:
        call = plan_start(
            spec,
            scope,
            id_reuse_policy=spec.id_reuse_policy,
            id_conflict_policy=spec.id_conflict_policy,
        )
        return Planned(
            target=f"{route}/{uid}" if spec.id is None else scope.text(spec.id),
            call=call,
            starts=True,
        )

    @override
    def again(self, call: bytes) -> bytes:
        return msgspec.json.encode(start_again(msgspec.json.decode(call, type=PlannedStart)))

    @override
    async def carry_out(
        self,
        temporal: Temporal,
        dispatch: Dispatch,
        event: StoredEvent,
    ) -> Outcome:
        planned = msgspec.json.decode(dispatch.call, type=PlannedStart)
        try:
            run = await temporal.start(start_call(planned, dispatch, event))
        except CallError as error:
            holder = error.already_started
            if holder is None:
                raise
            mine, holder = await own(temporal, dispatch, holder, again=planned.again)
            if mine is not None:
                return watched(mine, planned)
            reason = (
                "its run of an earlier generation is still open"
                if planned.again and holder.event_uid == str(dispatch.uid)
                else "the route does not share its id"
            )
            return collision(dispatch, holder, reason)
        code = None if run.started else "joined"
        return watched(Outcome(state="done", run_id=run.run_id, code=code), planned)
