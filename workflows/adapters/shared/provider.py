"""What makes and removes the resources of environments, below a ``KeyedProvisioner``."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import ClassVar, Protocol

from workflows.adapters.planning import make_plan
from workflows.adapters.shared.ledger import Entry, SliceLedger, SliceState
from workflows.errors import InvalidInputError
from workflows.messages.infra import Action, Plan, PlanRequest, Resource
from workflows.settings import InfraRules


class Provider(Protocol):
    """Makes and removes the resources of slices.

    The lock of the slice is held during each call but ``plan``. A kill may end any of them; it is
    then called again, perhaps by another worker, so each must be safe to repeat.
    """

    async def plan(self, request: PlanRequest, state: SliceState, rules: InfraRules) -> Plan:
        """Compare the current state with the wanted one; change nothing.

        Raises:
            InvalidInputError: The wanted state is invalid.
        """

    async def check(self, plan: Plan, state: SliceState) -> None:
        """Check once more before a plan is applied for the first time.

        Raises:
            PlanOutdatedError: What is there has changed since the plan was made.
        """

    async def apply(
        self, entry: Entry, plan: Plan, ledger: SliceLedger, *, resumed: bool
    ) -> None:
        """Carry out a plan; ``resumed`` says whether an earlier attempt may have done a part.

        Raises:
            ProvisionRefusedError: A resource cannot be created as planned.
        """

    async def restore(self, entry: Entry, state: SliceState, ledger: SliceLedger) -> None:
        """Undo a change: what was updated is as in ``state`` again.

        What the change created is removed after it, by ``remove``.
        """

    async def remove(self, location: str) -> None:
        """Remove a resource that no state needs any more, if it exists."""

    async def tidy(self, kept: Iterable[SliceState], ledger: SliceLedger) -> None:
        """Release what the kept states do not need, besides locations."""


class ResourceProvider(ABC):
    """A ``Provider`` whose resources are made and removed one by one.

    Attributes:
        kinds: The properties of each kind of resource; others are refused when planning.
    """

    kinds: ClassVar[Mapping[str, frozenset[str]]]

    @abstractmethod
    async def make(self, location: str, resource: Resource, ledger: SliceLedger) -> None:
        """Create a resource, or change the existing one to its definition. Safe to repeat.

        Raises:
            ProvisionRefusedError: It cannot be created as defined.
        """

    @abstractmethod
    async def remove(self, location: str) -> None:
        """Remove a resource and its content, if it exists."""

    async def plan(self, request: PlanRequest, state: SliceState, rules: InfraRules) -> Plan:
        """Compare the definitions of resources."""
        check_kinds(request.resources, self.kinds)
        return make_plan(request, state.resources, rules)

    async def check(self, plan: Plan, state: SliceState) -> None:  # noqa: B027 - a default
        """Check nothing: only this provider changes the resources."""

    async def apply(
        self, entry: Entry, plan: Plan, ledger: SliceLedger, *, resumed: bool
    ) -> None:
        """Make each resource that the plan changes."""
        del plan, resumed
        for change in entry.changes:
            await self.pause(ledger)
            if change.after is not None:
                await self.make(entry.after.places[change.name], change.after, ledger)

    async def restore(self, entry: Entry, state: SliceState, ledger: SliceLedger) -> None:
        """Make each updated resource as it was."""
        for change in reversed(entry.changes):
            await self.pause(ledger)
            if change.action is Action.UPDATE and change.before is not None:
                await self.make(state.places[change.name], change.before, ledger)

    async def tidy(  # noqa: B027 - a default
        self, kept: Iterable[SliceState], ledger: SliceLedger
    ) -> None:
        """Release nothing else."""

    async def pause(self, ledger: SliceLedger) -> None:
        """Make sure, before each resource, that the lock is still held."""
        await ledger.session.check()


def check_kinds(resources: Iterable[Resource], kinds: Mapping[str, frozenset[str]]) -> None:
    """Check that all kinds and properties are known.

    Raises:
        InvalidInputError: Names every unknown kind and property.
    """
    faults = [fault for resource in resources for fault in _faults(resource, kinds)]
    if faults:
        raise InvalidInputError("; ".join(faults))


def _faults(resource: Resource, kinds: Mapping[str, frozenset[str]]) -> Iterable[str]:
    known = kinds.get(resource.kind)
    if known is None:
        yield f"{resource.name}: unknown kind {resource.kind}{meant(resource.kind, kinds)}"
        return
    for name in sorted(resource.properties.keys() - known):
        yield f"{resource.name}: a {resource.kind} has no property {name}{meant(name, known)}"


def meant(name: str, known: Iterable[str]) -> str:
    """Return a hint about an unknown name: the closest known one, or all."""
    names = sorted(known)
    close = get_close_matches(name, names, n=1)
    if close:
        return f"; did you mean {close[0]}?"
    return f" (known: {', '.join(names)})"
