"""The records of a local environment, with which an interrupted change is finished or undone.

.. code-block:: text

    environments/<name>/
        lock             held during a change of the environment
        state.json       the current state: replacing it commits a change
        journal.json     the change in progress; removed when the history has it
        history/         all committed changes, by revision and key
        closed/          keys under which nothing may be provisioned again
        resources/       the resources themselves
        attic/           resources that the last change destroyed, to undo it

=====================  =====================================================================
killed after writing   the next caller
=====================  =====================================================================
journal                continues a provision under the same key, or else undoes it first;
                       finishes a roll-back or destruction
state                  writes the history from the journal and removes the journal
history                removes the journal
=====================  =====================================================================
"""

from datetime import UTC, datetime
from enum import StrEnum
from hashlib import sha256
from pathlib import Path

from workflows.adapters.local import files
from workflows.messages.infra import Change, Resource
from workflows.messages.message import Message


class EnvironmentState(Message):
    """The state of an environment. ``made_by`` is the key under which it was created."""

    exists: bool = False
    made_by: str | None = None
    revision: int = 0
    resources: tuple[Resource, ...] = ()


class What(StrEnum):
    """The kinds of changes to an environment."""

    PROVISION = "provision"
    ROLL_BACK = "roll back"
    DESTROY = "destroy"


class Entry(Message):
    """A change: its kind, its key, and the states before and after."""

    what: What
    key: str
    plan: str | None = None
    changes: tuple[Change, ...]
    before: EnvironmentState
    after: EnvironmentState
    at: str = ""
    """When it began; RFC 3339."""

    @property
    def revision(self) -> int:
        """The revision after it."""
        return self.after.revision


class Closed(Message):
    """A key under which nothing may be provisioned again, and whether a change was undone."""

    key: str
    undone: bool = False


class EnvironmentLedger:
    """The records of one environment. All methods but ``state`` need the lock."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.lock = folder / "lock"
        self._state = folder / "state.json"
        self._journal = folder / "journal.json"

    @property
    def state(self) -> EnvironmentState:
        """The state after the last committed change."""
        found = _read(self._state)
        return (
            EnvironmentState() if found is None else EnvironmentState.model_validate_json(found)
        )

    @property
    def unfinished(self) -> Entry | None:
        """The uncommitted change of a killed process, if any."""
        found = _read(self._journal)
        if found is None:
            return None
        entry = Entry.model_validate_json(found)
        if entry.revision > self.state.revision:
            return entry
        self._write_down(entry)
        return None

    def begin(self, entry: Entry) -> Entry:
        """Write the journal; from now on the change will be finished or undone."""
        dated = entry.model_copy(update={"at": datetime.now(UTC).isoformat()})
        files.write(self._journal, _json(dated))
        return dated

    def commit(self, entry: Entry) -> None:
        """Commit the change."""
        files.write(self._state, _json(entry.after))
        self._write_down(entry)

    def abandon(self) -> None:
        """Remove the journal of an undone change."""
        files.remove(self._journal)

    def latest(self, key: str, what: What) -> Entry | None:
        """Return the latest committed change of a kind under a key."""
        found = sorted((self.folder / "history").glob(f"*-{_short(key)}.json"), reverse=True)
        entries = (Entry.model_validate_json(path.read_bytes()) for path in found)
        return next((each for each in entries if (each.key, each.what) == (key, what)), None)

    def last_key(self) -> str | None:
        """Return the key of the last committed change."""
        found = sorted((self.folder / "history").glob("*.json"), reverse=True)
        return Entry.model_validate_json(found[0].read_bytes()).key if found else None

    def close(self, key: str, *, undone: bool = False) -> None:
        """Refuse further provisioning under a key."""
        files.write(self._closed_file(key), _json(Closed(key=key, undone=undone)))

    def closed(self, key: str) -> Closed | None:
        """Return whether a key is closed."""
        found = _read(self._closed_file(key))
        return None if found is None else Closed.model_validate_json(found)

    def _write_down(self, entry: Entry) -> None:
        name = f"{entry.revision:08d}-{_short(entry.key)}.json"
        files.write(self.folder / "history" / name, _json(entry))
        files.remove(self._journal)

    def _closed_file(self, key: str) -> Path:
        return self.folder / "closed" / f"{_short(key)}.json"


def _short(key: str) -> str:
    return sha256(key.encode()).hexdigest()[:32]


def _json(message: Message) -> bytes:
    return message.model_dump_json(indent=1).encode()


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
