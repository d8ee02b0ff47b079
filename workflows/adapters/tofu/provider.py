"""A ``Provider`` by OpenTofu or Terraform; the package's docstring says what it guarantees."""

import uuid
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import parse_qs, urlsplit

from bridge.runtime.host_header import is_loopback
from bridge.runtime.object_store import ObjectStore
from eventstore.database import Database
from workflows.adapters.planning import plan_of
from workflows.adapters.shared.artefacts import Artefacts
from workflows.adapters.shared.ledger import Entry, SliceLedger, SliceState
from workflows.adapters.shared.provisioner import KeyedProvisioner
from workflows.adapters.tofu.changes import changed_by_others
from workflows.adapters.tofu.program import PLAN, Program
from workflows.errors import PlanOutdatedError, ProvisionRefusedError
from workflows.messages.infra import Plan, PlanRequest
from workflows.settings import InfraRules

_FRESH = "fresh.bin"


class TofuProvisioner(KeyedProvisioner):
    """A ``Provisioner``.

    Args:
        database: With the tables of the workflows.
        store: Keeps the plan files.
        program: OpenTofu or Terraform.
        rules: The operator's rules about changes; what cannot change in place is the program's
            business, not that of ``fixed``.
    """

    def __init__(
        self,
        database: Database,
        store: ObjectStore,
        program: Program,
        rules: InfraRules | None = None,
    ) -> None:
        super().__init__(database, TofuProvider(Artefacts(store), program), rules)


class TofuProvider:
    """Plans and applies configurations."""

    def __init__(self, artefacts: Artefacts, program: Program) -> None:
        self._artefacts = artefacts
        self._program = program

    async def plan(self, request: PlanRequest, state: SliceState, rules: InfraRules) -> Plan:
        """Make a plan file and keep it by its digest."""
        name = _workspace(request.environment, request.owner)
        mark = uuid.uuid4().hex
        async with self._program.opened(name, request.resources, mark=mark) as workspace:
            made = await workspace.plan()
            file = await self._artefacts.put(await workspace.read())
        changes = made.changes(state.resources, request.resources)
        return plan_of(
            request,
            state.resources,
            changes,
            rules,
            reasons=changed_by_others(changes),
            file=file,
        )

    async def check(self, plan: Plan, state: SliceState) -> None:
        """Plan again and compare with the plan file."""
        del state
        name, saved = await self._saved(plan)
        async with self._program.opened(name, plan.desired, mark=plan.id) as workspace:
            await workspace.write(saved)
            planned = await workspace.show()
            if (await workspace.plan(_FRESH)).details != planned.details:
                raise PlanOutdatedError(
                    f"{plan.environment} was changed by others since the plan was made: plan again"
                )

    async def apply(
        self, entry: Entry, plan: Plan, ledger: SliceLedger, *, resumed: bool
    ) -> None:
        """Apply the plan file, or the rest of it.

        Raises:
            PlanOutdatedError: What is left to do is not in the plan.
        """
        del entry, ledger
        name, saved = await self._saved(plan)
        async with self._program.opened(name, plan.desired, mark=plan.id) as workspace:
            await workspace.write(saved)
            if not resumed:
                await workspace.apply()
                return
            planned = await workspace.show()
            # Planning waits for the lock: a program that outlived its worker has ended then.
            rest = await workspace.plan(_FRESH)
            if await workspace.mark() in {planned.mark, plan.id} and not rest.details:
                return
            if not rest.is_rest_of(planned):
                raise PlanOutdatedError(
                    f"{plan.environment} was changed by others while the plan was applied"
                )
            same = rest.details == planned.details
            await workspace.apply(PLAN if same else _FRESH)

    async def restore(self, entry: Entry, state: SliceState, ledger: SliceLedger) -> None:
        """Plan and apply the resources of a state."""
        name = _workspace(ledger.environment, ledger.owner)
        mark = f"{entry.key}, undone"
        async with self._program.opened(name, state.resources, mark=mark) as workspace:
            await workspace.plan()
            await workspace.apply()

    async def remove(self, location: str) -> None:
        """Remove nothing: the program did."""

    async def tidy(self, kept: Iterable[SliceState], ledger: SliceLedger) -> None:
        """Release nothing else."""

    async def _saved(self, plan: Plan) -> tuple[str, bytes]:
        """Return the workspace and the plan file of a plan."""
        if plan.file is None:
            raise ProvisionRefusedError("the plan was made by another provisioner: plan again")
        content = await self._artefacts.get(plan.file)
        return _workspace(plan.environment, plan.owner), content


def postgres_backend(url: str) -> tuple[Mapping[str, Any], Mapping[str, str]]:
    """Return the backend that keeps states in a database, and the variable with its address.

    The address stays out of configurations and plan files, because it may have a password.
    """
    parts = urlsplit(url)
    if "sslmode" not in parse_qs(parts.query):
        # The program knows no "prefer": what is not on this machine is encrypted.
        local = not parts.hostname or is_loopback(parts.hostname)
        mode = f"sslmode={'disable' if local else 'require'}"
        parts = parts._replace(query=f"{parts.query}&{mode}" if parts.query else mode)
    backend = {"pg": {"schema_name": "ntbridge_tofu"}}
    return backend, {"PG_CONN_STR": parts.geturl()}


def _workspace(environment: str, owner: str | None) -> str:
    # No name has a tilde, so no two slices have one workspace.
    return f"{environment}~{owner or ''}"
