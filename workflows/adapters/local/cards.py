"""The records of releases: which there are, how they were judged, and which is in force."""

from collections.abc import Mapping
from enum import StrEnum
from hashlib import sha256
from pathlib import PurePosixPath

from workflows.adapters.shared.locks import LockedSession
from workflows.errors import InvalidInputError
from workflows.messages.deployment import DeployRequest
from workflows.messages.message import Message
from workflows.sql import STATEMENTS

_PATH_PARTS = 8


class Health(StrEnum):
    """How a release was judged."""

    UNKNOWN = "unknown"
    WELL = "well"
    UNWELL = "unwell"


class Card(Message):
    """The record of a release."""

    release: str
    sha256: str
    files: Mapping[str, str] = {}
    """The digest of each file, by its path."""
    smoke_check: str | None = None
    previous: str | None = None
    """The release that was in force before it."""
    health: Health = Health.UNKNOWN
    finding: str = ""
    serves: str = ""
    """``app`` or ``functions``, if it was started."""
    taken_back: bool | None = None
    """Whether its roll-back changed anything; None if no roll-back was requested."""


NEVER_MADE = ""
"""The digest of a release that was rolled back before it existed."""


class ReleaseRecords:
    """The releases of one service, whose lock the session holds."""

    def __init__(self, session: LockedSession, environment: str, service: str) -> None:
        self.session = session
        self.service = (environment, service)

    async def current(self) -> str | None:
        """Return the release in force."""
        rows = await self.session.fetch("service", *self.service)
        return rows[0]["current"] if rows else None

    async def card(self, release: str) -> Card | None:
        """Return the record of a release; None if there is none."""
        found = await self.session.fetchval("release_card", *self.service, release)
        return None if found is None else Card.model_validate_json(found)

    async def save(self, card: Card) -> None:
        """Write the record of a release."""
        await self.session.execute(
            "save_release", *self.service, card.release, card.model_dump_json()
        )

    async def put_in_force(self, card: Card, current: str | None) -> None:
        """Write the record of a release, and which release is in force now, in one commit."""
        async with self.session.transaction() as connection:
            await connection.execute(
                STATEMENTS["save_release"], *self.service, card.release, card.model_dump_json()
            )
            await connection.execute(STATEMENTS["put_in_force"], *self.service, current)

    async def last_well(self, card: Card) -> str | None:
        """Return the last release before this one that was not found unwell."""
        last = card.previous
        while last is not None and (before := await self.card(last)) is not None:
            if before.health is not Health.UNWELL:
                break
            last = before.previous
        return last


def digest_of_release(request: DeployRequest) -> str:
    """Return the SHA-256 of a release's files and of the name of its smoke check.

    Raises:
        InvalidInputError: A path is not a path within a release.
    """
    digest = sha256((request.smoke_check or "").encode() + b"\0")
    for path in sorted(request.files):
        content = request.files[path].encode()
        digest.update(f"{_relative(path)}\0{len(content)}\0".encode() + content)
    if request.smoke_check is not None and request.smoke_check not in request.files:
        raise InvalidInputError(
            f"the smoke check {request.smoke_check!r} is not in the release"
        )
    return digest.hexdigest()


def _relative(path: str) -> PurePosixPath:
    parts = PurePosixPath(path).parts
    if not parts or len(parts) > _PATH_PARTS or path.startswith("/") or "\0" in path:
        raise InvalidInputError(f"{path!r} is not a path within a release")
    if any(part in {"..", "."} or part.startswith(".") for part in parts):
        raise InvalidInputError(f"{path!r} leads out of the release, or is hidden")
    return PurePosixPath(*parts)
