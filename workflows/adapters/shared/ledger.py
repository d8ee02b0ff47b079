"""The records of an environment's slice, with which an interrupted change is finished or undone.

A slice is what one owner (a service, or the environment itself) has in an environment. Its rows:

=========================  ==================================================================
``environment_slices``     the current state: replacing it commits a change
``environment_changes``    the history, and the change in progress (the journal)
``environment_materials``  what was made or may have been made; added with the journal
``environment_ports``      ports that are reserved for its endpoints
``environment_closed_keys`` keys under which nothing may be provisioned again
=========================  ==================================================================

=====================  =====================================================================
killed after writing   the next caller
=====================  =====================================================================
journal                continues a provision under the same key, or else undoes it first;
                       finishes a roll-back or destruction
state (the commit)     removes what the state no longer needs
=====================  =====================================================================
"""

from collections.abc import Iterable, Mapping
from enum import StrEnum

from pydantic import Field

from eventstore.database import Connection, Row
from workflows.adapters.shared.locks import LockedSession
from workflows.errors import ProvisionRefusedError
from workflows.messages.infra import Change, Resource
from workflows.messages.message import Message
from workflows.sql import STATEMENTS


class SliceState(Message):
    """What an owner has in an environment. ``made_by`` is the key under which it got its first."""

    exists: bool = False
    made_by: str | None = None
    revision: int = 0
    resources: tuple[Resource, ...] = ()
    places: Mapping[str, str] = Field(default_factory=dict)
    """The location of each resource in the object store, by its name."""


class What(StrEnum):
    """The kinds of changes."""

    PROVISION = "provision"
    ROLL_BACK = "roll back"
    DESTROY = "destroy"


class Entry(Message):
    """A change: its kind, its key, and the states before and after."""

    what: What
    key: str
    plan: str | None = None
    changes: tuple[Change, ...]
    before: SliceState
    after: SliceState

    @property
    def revision(self) -> int:
        """The revision after it."""
        return self.after.revision


class SliceLedger:
    """The records of one slice, whose lock the session holds."""

    def __init__(self, session: LockedSession, environment: str, owner: str | None) -> None:
        self.session = session
        self.environment = environment
        self.owner = owner or ""
        self._slice = (environment, self.owner)

    async def state(self) -> SliceState:
        """Return the state after the last committed change."""
        return state_in(await self.session.fetchval("slice_state", *self._slice))

    async def unfinished(self) -> Entry | None:
        """Return the change that a killed process did not finish, if any."""
        return _entry(await self.session.fetchval("unfinished_change", *self._slice))

    async def begin(self, entry: Entry) -> Entry:
        """Write the journal; from now on the change will be finished or undone.

        Raises:
            ProvisionRefusedError: A name belongs to another owner.
        """
        made = [name for name in entry.after.places if name not in entry.before.places]
        async with self.session.transaction() as connection:
            await connection.execute(STATEMENTS["lock_environment"], self.environment)
            others = await connection.fetch(STATEMENTS["names_of_others"], *self._slice, made)
            if others:
                raise ProvisionRefusedError(taken_names(self.environment, others))
            for name, location in entry.after.places.items():
                await connection.execute(
                    STATEMENTS["add_material"], location, *self._slice, name
                )
            await connection.execute(
                STATEMENTS["begin_change"],
                *self._slice,
                entry.revision,
                entry.key,
                entry.what,
                entry.model_dump_json(),
            )
        return entry

    async def commit(self, entry: Entry) -> None:
        """Commit the change."""
        async with self.session.transaction() as connection:
            await self._save(connection, entry.after)
            await connection.execute(STATEMENTS["commit_change"], *self._slice, entry.revision)

    async def abandon(self) -> None:
        """Delete the journal of an undone change."""
        await self.session.execute("abandon_change", *self._slice)

    async def latest(self, key: str, what: What) -> Entry | None:
        """Return the latest committed change of a kind under a key."""
        return _entry(await self.session.fetchval("latest_change", *self._slice, key, what))

    async def last(self) -> Entry | None:
        """Return the last committed change."""
        return _entry(await self.session.fetchval("last_change", *self._slice))

    async def close(self, key: str, *, undone: bool = False) -> None:
        """Refuse further provisioning under a key."""
        await self.session.execute("close_key", *self._slice, key, undone)

    async def closed(self, key: str) -> bool | None:
        """Return None for an open key; else whether a change under it was undone."""
        undone: bool | None = await self.session.fetchval("closed_key", *self._slice, key)
        return undone

    async def materials(self) -> list[str]:
        """Return the locations of all that was made or may have been made."""
        rows = await self.session.fetch("materials_of_slice", *self._slice)
        return [row["location"] for row in rows]

    async def remove_material(self, location: str) -> None:
        """Forget what was removed."""
        await self.session.execute("remove_material", location)

    async def reserve_port(self, port: int, name: str) -> bool:
        """Reserve a port for an endpoint; return False if another endpoint has it."""
        found = await self.session.fetchval("reserve_port", port, *self._slice, name)
        return found is not None

    async def free_ports(self, kept: Iterable[tuple[str, int]]) -> None:
        """Free all ports but these, which are given with the names of their endpoints."""
        pairs = sorted(set(kept))
        names, ports = [name for name, _ in pairs], [port for _, port in pairs]
        await self.session.execute("free_ports", *self._slice, names, ports)

    async def _save(self, connection: Connection, state: SliceState) -> None:
        await connection.execute(
            STATEMENTS["save_slice"], *self._slice, state.revision, state.model_dump_json()
        )


def state_in(text: str | None) -> SliceState:
    """Return the state of a row; the empty one if there is no row."""
    return SliceState() if text is None else SliceState.model_validate_json(text)


def taken_names(environment: str, rows: Iterable[Row]) -> str:
    """Return the message about names that belong to other owners."""
    whose = ", ".join(
        f"{row['name']} belongs to {row['owner'] or 'the environment itself'}" for row in rows
    )
    return f"in {environment}, {whose}: choose other names"


def _entry(text: str | None) -> Entry | None:
    return None if text is None else Entry.model_validate_json(text)
