"""The base of provisioners: keys, journals, exact plans and closed keys, whatever makes the resources.

A ``Provider`` makes and removes resources; this part decides when. It holds the lock of the slice,
writes the journal before a change and the state after it, refuses plans that are outdated or were
changed, answers repeats of a key from its records, and refuses keys that were undone.
`workflows.adapters.shared.ledger` describes the recovery after a kill.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from eventstore.database import Database
from workflows.adapters.planning import digest_of, is_genuine
from workflows.adapters.shared.ledger import (
    Entry,
    SliceLedger,
    SliceState,
    What,
    state_in,
    taken_names,
)
from workflows.adapters.shared.locks import exclusive, shared_state_errors
from workflows.adapters.shared.provider import Provider
from workflows.errors import (
    InvalidInputError,
    PlanOutdatedError,
    ProvisionRefusedError,
    RunUndoneError,
)
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
from workflows.sql import STATEMENTS


class KeyedProvisioner:
    """A ``Provisioner``.

    Args:
        database: With the tables of the workflows.
        provider: Makes and removes the resources.
        rules: The operator's rules about changes.
    """

    def __init__(
        self, database: Database, provider: Provider, rules: InfraRules | None = None
    ) -> None:
        self._database = database
        self._provider = provider
        self._rules = rules or InfraRules()

    async def plan(self, request: PlanRequest) -> Plan:
        """Compare the current state with the wanted one."""
        of_slice = (request.environment, request.owner or "")
        names = [resource.name for resource in request.resources]
        with shared_state_errors():
            others = await self._database.fetch(STATEMENTS["names_of_others"], *of_slice, names)
            if others:
                raise InvalidInputError(taken_names(request.environment, others))
            state = state_in(
                await self._database.fetchval(STATEMENTS["slice_state"], *of_slice)
            )
        plan = await self._provider.plan(request, state, self._rules)
        with shared_state_errors():
            await self._database.execute(
                STATEMENTS["save_plan"], plan.id, *of_slice, plan.model_dump_json()
            )
        return plan

    async def provision(self, request: ProvisionRequest) -> Provisioned:
        """Apply a plan."""
        if not is_genuine(request.plan):
            raise ProvisionRefusedError("the plan was changed after it was made")
        async with self._change(request.plan.environment, request.plan.owner) as change:
            return await change.provision(request)

    async def roll_back(self, request: UndoRequest) -> RolledBack:
        """Restore the previous state."""
        async with self._change(request.environment, request.owner) as change:
            return await change.roll_back(request)

    async def destroy(self, request: DestroyRequest) -> Destroyed:
        """Destroy all resources of an owner."""
        async with self._change(request.environment, request.owner) as change:
            return await change.destroy(request)

    @asynccontextmanager
    async def _change(self, environment: str, owner: str | None) -> AsyncIterator["_Change"]:
        name = f"environments/{environment}/{owner or ''}"
        async with exclusive(self._database, name) as session:
            ledger = SliceLedger(session, environment, owner)
            yield _Change(ledger, self._provider)


class _Change:
    """The operations on a slice whose lock is held."""

    def __init__(self, ledger: SliceLedger, provider: Provider) -> None:
        self._ledger = ledger
        self._provider = provider
        self._environment = ledger.environment
        self._owner = ledger.owner or None

    async def provision(self, request: ProvisionRequest) -> Provisioned:
        plan, key = request.plan, request.key
        if await self._ledger.closed(key) is not None:
            raise RunUndoneError(f"the change of {key} was undone: it cannot be applied again")
        await self._settle_the_unfinished(but=(key, plan.id))
        done = await self._ledger.latest(key, What.PROVISION)
        if done is not None and done.plan != plan.id:
            raise ProvisionRefusedError(f"{key} has already applied another plan")
        if done is None:
            begun = await self._ledger.unfinished()
            done = begun or await self._begin(plan, key)
            await self._provider.apply(done, plan, self._ledger, resumed=begun is not None)
            await self._ledger.commit(done)
        await self._sweep()
        return self._provisioned(done)

    async def roll_back(self, request: UndoRequest) -> RolledBack:
        key = request.key
        closed = await self._ledger.closed(key)
        await self._ledger.close(key)
        unfinished = await self._ledger.unfinished()
        if unfinished is not None and (unfinished.key, unfinished.what) == (
            key,
            What.PROVISION,
        ):
            await self._undo(unfinished)
            return await self._rolled_back(undone=True)
        await self._settle_the_unfinished()
        if (undoing := await self._ledger.latest(key, What.ROLL_BACK)) is not None:
            await self._sweep()
            return await self._rolled_back(undone=True, revision=undoing.revision)
        done = await self._ledger.latest(key, What.PROVISION)
        if done is None:
            return await self._rolled_back(undone=bool(closed))
        state = await self._ledger.state()
        if state.revision != done.revision:
            raise PlanOutdatedError(
                f"{self._shown} was changed since {key} provisioned revision "
                f"{done.revision}; it is at {state.revision}: undoing would undo that too"
            )
        after = done.before.model_copy(update={"revision": state.revision + 1})
        await self._finish(
            await self._ledger.begin(
                Entry(
                    what=What.ROLL_BACK,
                    key=key,
                    plan=done.plan,
                    changes=done.changes,
                    before=state,
                    after=after,
                )
            )
        )
        return await self._rolled_back(undone=True)

    async def destroy(self, request: DestroyRequest) -> Destroyed:
        made_by = request.made_by
        if made_by is not None:
            await self._ledger.close(made_by)
        await self._settle_the_unfinished()
        if (done := await self._ledger.latest(request.key, What.DESTROY)) is not None:
            await self._sweep()
            return await self._destroyed(done)
        state = await self._ledger.state()
        if not state.exists or made_by not in {None, state.made_by}:
            return await self._destroyed(None)
        last = await self._ledger.last()
        if made_by is not None and last is not None and last.key != made_by:
            raise PlanOutdatedError(
                f"{self._shown} was made by {made_by}, but was changed by {last.key} since: "
                "destroying it would destroy that too"
            )
        entry = Entry(
            what=What.DESTROY,
            key=request.key,
            changes=tuple(
                Change(action=Action.DESTROY, name=resource.name, before=resource)
                for resource in state.resources
            ),
            before=state,
            after=SliceState(revision=state.revision + 1),
        )
        await self._finish(await self._ledger.begin(entry))
        return await self._destroyed(entry)

    async def _settle_the_unfinished(self, but: tuple[str, str] | None = None) -> None:
        """Finish or undo the change of a killed process, unless this call continues it."""
        entry = await self._ledger.unfinished()
        if entry is None or but == (entry.key, entry.plan):
            return
        if entry.what is What.PROVISION:
            await self._undo(entry)
        else:
            await self._finish(entry)

    async def _begin(self, plan: Plan, key: str) -> Entry:
        state = await self._ledger.state()
        if digest_of(state.resources) != plan.base:
            raise PlanOutdatedError(
                f"{self._shown} has changed since the plan was made: plan again"
            )
        await self._provider.check(plan, state)
        revision = state.revision + 1
        return await self._ledger.begin(
            Entry(
                what=What.PROVISION,
                key=key,
                plan=plan.id,
                changes=plan.changes,
                before=state,
                after=SliceState(
                    exists=True,
                    made_by=state.made_by if state.exists else key,
                    revision=revision,
                    resources=plan.desired,
                    places=self._places(plan, state, revision),
                ),
            )
        )

    def _places(self, plan: Plan, state: SliceState, revision: int) -> dict[str, str]:
        """Return the location of each resource; one that is created or replaced gets a new one."""
        fresh = {
            change.name
            for change in plan.changes
            if change.action in {Action.CREATE, Action.REPLACE}
        }
        above = f"environments/{self._environment}/{self._owner or '-'}"
        return {
            each.name: f"{above}/{each.name}/{revision}"
            if each.name in fresh
            else state.places[each.name]
            for each in plan.desired
        }

    async def _finish(self, entry: Entry) -> None:
        """Carry out a roll-back or a destruction; any caller may finish it."""
        await self._provider.restore(entry, entry.after, self._ledger)
        await self._ledger.commit(entry)
        await self._sweep()

    async def _undo(self, entry: Entry) -> None:
        """Undo a provision that was not committed."""
        await self._provider.restore(entry, entry.before, self._ledger)
        if await self._ledger.closed(entry.key) is not None:
            # A repeated request gets the answer that there was a change.
            await self._ledger.close(entry.key, undone=True)
        await self._sweep()
        await self._ledger.abandon()

    async def _sweep(self) -> None:
        """Remove what neither the state needs nor the undoing of the last change."""
        kept = [await self._ledger.state()]
        last = await self._ledger.last()
        if last is not None and last.what is What.PROVISION:
            kept.append(last.before)
        await self._provider.tidy(kept, self._ledger)
        needed = {place for state in kept for place in state.places.values()}
        for location in await self._ledger.materials():
            if location not in needed:
                await self._provider.remove(location)
                await self._ledger.remove_material(location)

    @property
    def _shown(self) -> str:
        return f"{self._environment} ({self._owner})" if self._owner else self._environment

    def _provisioned(self, entry: Entry) -> Provisioned:
        return Provisioned(
            environment=self._environment,
            owner=self._owner,
            plan=entry.plan or "",
            revision=entry.revision,
            previous=entry.before.revision,
            resources=entry.after.resources,
        )

    async def _rolled_back(self, *, undone: bool, revision: int | None = None) -> RolledBack:
        state = await self._ledger.state()
        return RolledBack(
            environment=self._environment,
            undone=undone,
            revision=state.revision if revision is None else revision,
        )

    async def _destroyed(self, entry: Entry | None) -> Destroyed:
        return Destroyed(
            environment=self._environment,
            destroyed=tuple(change.name for change in entry.changes) if entry else (),
            revision=entry.revision if entry else (await self._ledger.state()).revision,
        )
