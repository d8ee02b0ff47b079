"""Archives: the bodies that a removal takes, in an object store, and the way back.

Under the archive's URL, in the folder ``<incarnation>/removal-<number>``: ``part-000001.ndjson.zst`` and
so on (`bridge.history.removal.part`), and ``manifest.json``, which lists them with their digests. The
store has the same list (``archive_parts``), so an archive that somebody changed is noticed.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from uuid import UUID

import msgspec
from msgspec.structs import replace

from bridge.errors import BridgeError
from bridge.history.removal.part import Part, event_of, pack, unpack
from bridge.runtime.errors import ObjectStoreError
from bridge.runtime.object_store import ObjectStore
from bridge.sql import STATEMENTS
from eventstore.database import Connection, Database
from eventstore.events import StoredEvent
from eventstore.removals import Removal, Removals

FORMAT = "ntbridge-archive"
VERSION = 1
_ENDING = ".ndjson.zst"


class ArchiveUnavailable(BridgeError):  # noqa: N818 - names what is the case
    """Archived events cannot be read; says which and why."""


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """The file ``manifest.json`` of a removal's archive."""

    format: str
    version: int
    incarnation: UUID
    removal: int
    who: str
    why: str
    parts: Sequence[Part]
    finished: bool


class NotedPart(msgspec.Struct, frozen=True, kw_only=True):
    """A part as the store lists it.

    Attributes:
        number: From 1.
        part: What the manifest says.
        through: How far the log was read for it.
        removed: Whether its bodies are out of the log.
    """

    number: int
    part: Part
    through: int
    removed: bool


class Archive:
    """The archive of one removal.

    Args:
        database: Where the parts are listed.
        objects: Where they are.
        removal: The removal.
    """

    def __init__(self, database: Database, objects: ObjectStore, removal: Removal) -> None:
        self._database = database
        self._objects = objects
        self._removal = removal
        self._folder = f"{removal.incarnation}/removal-{removal.id}"

    async def parts(self) -> list[NotedPart]:
        """Return the parts that are noted, in their order."""
        return await noted_parts(self._database, self._removal.id)

    def name_of(self, number: int) -> str:
        """Return the name of a part."""
        return f"part-{number:06}{_ENDING}"

    async def write(self, part: Part, packed: bytes) -> None:
        """Write a part's object, in place of one of this name."""
        await self._objects.put(f"{self._folder}/{part.name}", packed)

    async def note(self, number: int, part: Part, through: int) -> None:
        """List a part that is written, in the store and in the manifest."""
        values = (part.name, part.events, part.first, part.last, part.bytes)
        await self._database.execute(
            STATEMENTS["note_part"],
            *(self._removal.id, number, *values, part.sha256, part.rows_sha256, through),
        )
        await self.write_manifest(finished=False)

    async def change(self, noted: NotedPart, lines: Sequence[bytes]) -> NotedPart:
        """Write a part again with other lines; return it as it is listed then.

        Under another name, so that the list is right at any moment.
        """
        stem = noted.part.name.removesuffix(_ENDING)
        stem, _, again = stem.partition(".")
        name = f"{stem}.{int(again or 1) + 1}{_ENDING}"
        part, packed = await asyncio.to_thread(
            pack, name, lines, noted.part.first, noted.part.last
        )
        await self.write(part, packed)
        await self._database.execute(
            STATEMENTS["change_part"],
            *(self._removal.id, noted.number, name, part.events, part.bytes),
            *(part.sha256, part.rows_sha256),
        )
        await self.sweep()
        return replace(noted, part=part)

    async def sweep(self, *, finished: bool | None = None) -> None:
        """Write the manifest, and delete the objects that a killed run left and no list has."""
        listed = {f"{self._folder}/{noted.part.name}" for noted in await self.parts()}
        if finished is None:
            finished = self._removal.finished_at is not None
        await self.write_manifest(finished=finished)
        async for each in self._objects.list(self._folder):
            if each.key not in {*listed, f"{self._folder}/manifest.json"}:
                await self._objects.delete(each.key)

    async def read(self, part: Part) -> bytes:
        """Return a part's object."""
        return await self._objects.get(f"{self._folder}/{part.name}")

    async def write_manifest(self, *, finished: bool) -> None:
        """Write the manifest of the parts that are noted."""
        manifest = Manifest(
            format=FORMAT,
            version=VERSION,
            incarnation=self._removal.incarnation,
            removal=self._removal.id,
            who=self._removal.who,
            why=self._removal.why,
            parts=[noted.part for noted in await self.parts()],
            finished=finished,
        )
        text = msgspec.json.format(msgspec.json.encode(manifest), indent=1)
        await self._objects.put(f"{self._folder}/manifest.json", text)


async def noted_parts(database: Database | Connection, removal: int) -> list[NotedPart]:
    """Return the parts of a removal's archive, in their order."""
    rows = await database.fetch(STATEMENTS["parts_of_removal"], removal)
    own = ("number", "through", "removed")
    return [
        NotedPart(
            part=Part(**{name: value for name, value in dict(row).items() if name not in own}),
            **{name: row[name] for name in own},
        )
        for row in rows
    ]


class Bodies:
    """Reads archived events back. It keeps the last part that it read.

    Args:
        database: The store's database.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._removals: dict[int, tuple[Removal, Sequence[NotedPart]]] = {}
        self._last: tuple[int, str] | None = None
        self._lines: Mapping[int, StoredEvent] = {}

    async def restored(self, events: Sequence[StoredEvent]) -> list[StoredEvent]:
        """Return events with their bodies; those that no archive has stay as they are.

        Raises:
            ArchiveUnavailable: An archive should have one, and cannot be read.
        """
        return [
            stored if stored.removal is None else await self._restored(stored)
            for stored in events
        ]

    async def _restored(self, stored: StoredEvent) -> StoredEvent:
        removal, parts = await self._of(stored.removal or 0)
        if removal is None or removal.archive is None:
            return stored
        for noted in parts:
            if noted.part.first <= stored.position <= noted.part.last:
                found = (await self._read(removal, noted.part)).get(stored.position)
                if found is None:
                    break
                if found.uid != stored.uid:
                    raise ArchiveUnavailable(
                        f"{removal.archive}: {noted.part.name} has another event at position "
                        f"{stored.position}"
                    )
                # The archive has the event before it was changed for newer readers; links are the store's.
                return replace(found, removal=None)
        return stored

    async def _of(self, number: int) -> tuple[Removal | None, Sequence[NotedPart]]:
        if number not in self._removals:
            found = (await Removals(self._database).get([number])).get(number)
            if found is None:
                return None, ()
            self._removals[number] = found, await noted_parts(self._database, number)
        return self._removals[number]

    async def _read(self, removal: Removal, part: Part) -> Mapping[int, StoredEvent]:
        if self._last != (removal.id, part.name):
            archive = Archive(self._database, ObjectStore.open(removal.archive or ""), removal)
            try:
                lines = unpack(part, await archive.read(part))
            except (ObjectStoreError, BridgeError) as error:
                raise ArchiveUnavailable(
                    f"the archive of removal {removal.id} at {removal.archive} cannot be read: {error}"
                ) from error
            events = [event_of(line) for line in lines]
            self._lines = {stored.position: stored for stored in events}
            self._last = removal.id, part.name
        return self._lines


async def restoring(
    bodies: Bodies, pages: AsyncIterator[list[StoredEvent]]
) -> AsyncIterator[list[StoredEvent]]:
    """Yield pages of events with their archived bodies."""
    async for page in pages:
        yield await bodies.restored(page)
