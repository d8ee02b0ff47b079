"""Environments seen from outside: the rows of a slice, and the objects of its resources."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from eventstore.database import Database
from workflows.adapters.shared.ledger import Entry, SliceState, What, state_in
from workflows.messages.infra import Resource


@dataclass(frozen=True)
class SeenSlice:
    """What an owner has in an environment.

    Attributes:
        state: The committed state.
        changes: The committed changes: revision and kind.
        unfinished: Whether a change is not finished.
        made: The resources that have objects, by name, without those kept to undo the last change.
        places: The folders of these.
    """

    state: SliceState
    changes: list[tuple[int, str]]
    unfinished: bool
    made: Mapping[str, Resource]
    places: Mapping[str, Path]

    @property
    def names(self) -> list[str]:
        """The names of the resources that have objects."""
        return sorted(self.made)


async def look(
    database: Database, objects: Path, environment: str, owner: str = ""
) -> SeenSlice:
    """Look at a slice whose objects are in a folder."""
    args = (environment, owner)
    state = state_in(
        await database.fetchval(
            "select state from environment_slices where environment = $1 and owner = $2", *args
        )
    )
    rows = await database.fetch(
        "select revision, what, committed, entry from environment_changes"
        " where environment = $1 and owner = $2 order by revision",
        *args,
    )
    committed = [Entry.model_validate_json(row["entry"]) for row in rows if row["committed"]]
    kept = set()
    if committed and committed[-1].what is What.PROVISION:
        kept = {*committed[-1].before.places.values()} - {*state.places.values()}
    above = objects / "environments" / environment / (owner or "-")
    places = {
        record.parent.parent.name: record.parent
        for record in above.glob("*/*/resource.json")
        if record.parent.relative_to(objects).as_posix() not in kept
    }
    return SeenSlice(
        state=state,
        changes=[(each.revision, each.what.value) for each in committed],
        unfinished=any(not row["committed"] for row in rows),
        made={
            name: Resource.model_validate_json((place / "resource.json").read_bytes())
            for name, place in places.items()
        },
        places=places,
    )
