"""Environments on this machine: a ``Provisioner`` that uses folders."""

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from workflows.adapters.local import files, materials
from workflows.adapters.local.files import Stop
from workflows.adapters.local.ledger import Entry, EnvironmentLedger, EnvironmentState, What
from workflows.adapters.planning import digest_of, is_genuine, make_plan
from workflows.errors import PlanOutdatedError, ProvisionRefusedError, RunUndoneError
from workflows.messages.infra import (
    Action,
    Change,
    Destroyed,
    DestroyRequest,
    Plan,
    PlanRequest,
    Provisioned,
    ProvisionRequest,
    RolledBack,
    UndoRequest,
)
from workflows.settings import InfraRules

Result = TypeVar("Result")


class LocalProvisioner:
    """A ``Provisioner``; `workflows.adapters.local.ledger` describes the recovery after a kill.

    Args:
        folder: The folder of the environments; created if it is missing.
        rules: The operator's rules about changes.
        pause: Seconds to wait before each resource, like a provider over a network.
    """

    def __init__(
        self, folder: Path, rules: InfraRules | None = None, *, pause: float = 0
    ) -> None:
        self._folder = folder
        self._rules = rules or InfraRules()
        self._pause = pause

    async def plan(self, request: PlanRequest) -> Plan:
        """Compare the current state with the wanted one."""
        ledger = self._ledger(request.environment)
        return await files.in_thread(
            lambda _: make_plan(request, ledger.state.resources, self._rules)
        )

    async def provision(self, request: ProvisionRequest) -> Provisioned:
        """Apply a plan."""
        if not is_genuine(request.plan):
            raise ProvisionRefusedError("the plan was changed after it was made")
        return await self._change(
            request.plan.environment, lambda change: change.provision(request)
        )

    async def roll_back(self, request: UndoRequest) -> RolledBack:
        """Restore the previous state."""
        return await self._change(request.environment, lambda change: change.roll_back(request))

    async def destroy(self, request: DestroyRequest) -> Destroyed:
        """Destroy an environment."""
        return await self._change(request.environment, lambda change: change.destroy(request))

    async def _change(self, environment: str, work: Callable[["_Change"], Result]) -> Result:
        ledger = self._ledger(environment)

        def locked(stop: Stop) -> Result:
            with files.locked(ledger.lock, stop):
                return work(_Change(environment, ledger, stop, self._pause))

        return await files.in_thread(locked)

    def _ledger(self, environment: str) -> EnvironmentLedger:
        return EnvironmentLedger(self._folder / environment)


class _Change:
    """The operations on an environment whose lock is held."""

    def __init__(
        self, environment: str, ledger: EnvironmentLedger, stop: Stop, pause: float
    ) -> None:
        self._environment = environment
        self._ledger = ledger
        self._stop = stop
        self._pause = pause

    def provision(self, request: ProvisionRequest) -> Provisioned:
        plan, key = request.plan, request.key
        if self._ledger.closed(key):
            raise RunUndoneError(f"the change of {key} was undone: it cannot be applied again")
        self._settle_the_unfinished(but=(key, plan.id))
        done = self._ledger.latest(key, What.PROVISION)
        if done is not None and done.plan != plan.id:
            raise ProvisionRefusedError(f"{key} has already applied another plan")
        if done is None:
            done = self._ledger.unfinished or self._begin(plan, key)
            for change in done.changes:
                self._breathe()
                self._apply(change, done.revision)
            self._commit(done)
        return _provisioned(self._environment, done)

    def roll_back(self, request: UndoRequest) -> RolledBack:
        key = request.key
        closed = self._ledger.closed(key)
        self._ledger.close(key, undone=bool(closed and closed.undone))
        unfinished = self._ledger.unfinished
        if unfinished is not None and (unfinished.key, unfinished.what) == (
            key,
            What.PROVISION,
        ):
            self._undo(unfinished)
            return self._rolled_back(undone=True)
        self._settle_the_unfinished()
        if (undoing := self._ledger.latest(key, What.ROLL_BACK)) is not None:
            return self._rolled_back(undone=True, revision=undoing.revision)
        done = self._ledger.latest(key, What.PROVISION)
        if done is None:
            return self._rolled_back(undone=bool(closed and closed.undone))
        state = self._ledger.state
        if state.revision != done.revision:
            raise PlanOutdatedError(
                f"{self._environment} was changed since {key} provisioned revision "
                f"{done.revision}; it is at {state.revision}: undoing would undo that too"
            )
        entry = self._ledger.begin(
            Entry(
                what=What.ROLL_BACK,
                key=key,
                plan=done.plan,
                changes=done.changes,
                before=state,
                after=done.before.model_copy(update={"revision": state.revision + 1}),
            )
        )
        self._finish(entry)
        return self._rolled_back(undone=True)

    def destroy(self, request: DestroyRequest) -> Destroyed:
        made_by = request.made_by
        if made_by is not None:
            self._ledger.close(made_by)
        self._settle_the_unfinished()
        if (done := self._ledger.latest(request.key, What.DESTROY)) is not None:
            return self._destroyed(done)
        state = self._ledger.state
        if not state.exists or made_by not in {None, state.made_by}:
            return self._destroyed(None)
        if made_by is not None and self._ledger.last_key() != made_by:
            raise PlanOutdatedError(
                f"{self._environment} was made by {made_by}, but was changed by "
                f"{self._ledger.last_key()} since: destroying it would destroy that too"
            )
        entry = self._ledger.begin(
            Entry(
                what=What.DESTROY,
                key=request.key,
                changes=tuple(
                    Change(action=Action.DESTROY, name=resource.name, before=resource)
                    for resource in state.resources
                ),
                before=state,
                after=EnvironmentState(revision=state.revision + 1),
            )
        )
        self._finish(entry)
        return self._destroyed(entry)

    def _settle_the_unfinished(self, but: tuple[str, str] | None = None) -> None:
        """Finish or undo the change of a killed process, unless this call continues it."""
        entry = self._ledger.unfinished
        if entry is None or but == (entry.key, entry.plan):
            return
        if entry.what is What.PROVISION:
            self._undo(entry)
        else:
            self._finish(entry)

    def _begin(self, plan: Plan, key: str) -> Entry:
        state = self._ledger.state
        if digest_of(state.resources) != plan.base:
            raise PlanOutdatedError(
                f"{self._environment} has changed since the plan was made: plan again"
            )
        return self._ledger.begin(
            Entry(
                what=What.PROVISION,
                key=key,
                plan=plan.id,
                changes=plan.changes,
                before=state,
                after=EnvironmentState(
                    exists=True,
                    made_by=state.made_by if state.exists else key,
                    revision=state.revision + 1,
                    resources=plan.desired,
                ),
            )
        )

    def _apply(self, change: Change, revision: int) -> None:
        place = self._place(change.name)
        if change.action in {Action.DESTROY, Action.REPLACE} and (
            change.after is None or materials.found(place) != change.after
        ):
            attic = self._attic(revision, change.name)
            if (
                attic.exists()
            ):  # the old one is already in the attic; this is the new one, incomplete
                materials.unmake(place)
            elif place.exists():
                files.move(place, attic)
        if change.after is not None:
            materials.make(place, change.after)

    def _finish(self, entry: Entry) -> None:
        """Carry out a change that removes resources; any caller may finish it."""
        for change in reversed(entry.changes):
            self._breathe()
            if entry.what is What.DESTROY:
                materials.unmake(self._place(change.name))
            else:
                self._restore(change, entry.before.revision)
        self._commit(entry)

    def _undo(self, entry: Entry) -> None:
        """Undo a provision that was not committed."""
        for change in reversed(entry.changes):
            self._restore(change, entry.revision)
        if self._ledger.closed(entry.key):
            # A repeated request gets the answer that there was a change.
            self._ledger.close(entry.key, undone=True)
        self._ledger.abandon()

    def _restore(self, change: Change, revision: int) -> None:
        """Restore the state before the change of that revision."""
        place, attic = self._place(change.name), self._attic(revision, change.name)
        if change.before is None:
            materials.unmake(place)
        elif attic.exists():
            materials.unmake(place)
            files.move(attic, place)
        else:
            materials.make(place, change.before)

    def _commit(self, entry: Entry) -> None:
        self._ledger.commit(entry)
        # The attic of earlier changes is not needed: they can no longer be undone.
        with suppress(FileNotFoundError):
            for old in (self._ledger.folder / "attic").iterdir():
                if old.name != str(entry.revision):
                    files.remove(old)

    def _breathe(self) -> None:
        self._stop.wait(self._pause)
        self._stop.check()

    def _place(self, name: str) -> Path:
        return self._ledger.folder / "resources" / name

    def _attic(self, revision: int, name: str) -> Path:
        return self._ledger.folder / "attic" / str(revision) / name

    def _rolled_back(self, *, undone: bool, revision: int | None = None) -> RolledBack:
        state = self._ledger.state
        return RolledBack(
            environment=self._environment,
            undone=undone,
            revision=state.revision if revision is None else revision,
        )

    def _destroyed(self, entry: Entry | None) -> Destroyed:
        return Destroyed(
            environment=self._environment,
            destroyed=tuple(change.name for change in entry.changes) if entry else (),
            revision=entry.revision if entry else self._ledger.state.revision,
        )


def _provisioned(environment: str, entry: Entry) -> Provisioned:
    return Provisioned(
        environment=environment,
        plan=entry.plan or "",
        revision=entry.revision,
        previous=entry.before.revision,
        resources=entry.after.resources,
    )
