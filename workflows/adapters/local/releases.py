"""Releases of services: the ``Deployer`` that records them, checks them and lets a runner run them."""

import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from eventstore.database import Database
from workflows.adapters.local.cards import (
    NEVER_MADE,
    Card,
    Health,
    ReleaseRecords,
    digest_of_release,
)
from workflows.adapters.local.checks import Checks
from workflows.adapters.processes import Finished
from workflows.adapters.services.runner import Runner
from workflows.adapters.shared.artefacts import Artefacts
from workflows.adapters.shared.locks import exclusive
from workflows.errors import (
    DeploymentUnhealthyError,
    NotDeployedError,
    ReleaseConflictError,
    RunUndoneError,
)
from workflows.messages.deployment import (
    Deployed,
    DeploymentRolledBack,
    DeployRequest,
    ReleaseRef,
    Verification,
)

_OUTPUT = 4_000
"""Maximum characters of a check's output that are kept, from its end."""


class LocalDeployer:
    """A ``Deployer``; `workflows.adapters.services` describes how releases run.

    Records are rows, files are artefacts. All is done under the lock of the service.

    Args:
        database: With the tables of the workflows.
        artefacts: Has the files of releases.
        checks: Runs smoke checks.
        runner: Runs releases.
    """

    def __init__(
        self, database: Database, artefacts: Artefacts, checks: Checks, runner: Runner
    ) -> None:
        self._database = database
        self._artefacts = artefacts
        self._checks = checks
        self._runner = runner

    async def deploy(self, request: DeployRequest) -> Deployed:
        """Put a release in force, if it is healthy."""
        digest = digest_of_release(request)
        async with self._locked(request.environment, request.service) as records:
            card = await self._staged(records, request, digest)
            if card.health is Health.UNKNOWN:
                card = await self._judged(records, card, request.files)
            if card.taken_back is not None:
                raise RunUndoneError(
                    f"release {card.release} of {request.service} was rolled back"
                )
            if card.health is Health.UNWELL:
                raise DeploymentUnhealthyError(
                    f"release {card.release} of {request.service} is not healthy, "
                    f"{await records.current() or 'none'} stays in force: {card.finding}"
                )
            address = None
            if await records.current() == card.release:
                address = await self._runner.put_in_force(
                    records.session, records.service, card.release, served(card, request.files)
                )
        return Deployed(
            environment=request.environment,
            service=request.service,
            release=card.release,
            previous=card.previous,
            sha256=card.sha256,
            address=address,
            serves=card.serves,
        )

    async def roll_back(self, release: ReleaseRef) -> DeploymentRolledBack:
        """Put the previous release in force again."""
        name = release.release
        async with self._locked(release.environment, release.service) as records:
            card = await records.card(name) or Card(release=name, sha256=NEVER_MADE)
            current = await records.current()
            taken_back = current == name if card.taken_back is None else card.taken_back
            if current == name:
                current = await records.last_well(card)
            # The row first: a late attempt must not put it in force again.
            update = {"health": Health.UNWELL, "taken_back": taken_back}
            await records.put_in_force(card.model_copy(update=update), current)
            await self._run(records, current)
            await self._runner.drop(records.session, records.service, name)
        return DeploymentRolledBack(
            environment=release.environment,
            service=release.service,
            undone=taken_back,
            current=current,
        )

    async def verify(self, release: ReleaseRef) -> Verification:
        """Run the smoke check against the release in force."""
        async with self._locked(release.environment, release.service) as records:
            card = await records.card(release.release)
            current = await records.current()
            if card is None or current != release.release:
                raise NotDeployedError(
                    f"release {release.release} of {release.service} is not in force in "
                    f"{release.environment}: {current or 'none'} is"
                )
            files = await self._files(card)
            address = await self._runner.put_in_force(
                records.session, records.service, card.release, served(card, files)
            )
            begun = time.monotonic()
            finished = await self._checks.run(files, card.smoke_check, address)
        return Verification(
            environment=release.environment,
            service=release.service,
            release=release.release,
            passed=_went_well(finished),
            check=card.smoke_check or "imports",
            seconds=round(time.monotonic() - begun, 3),
            output=_said(finished),
        )

    async def ensure_running(self, environment: str, service: str) -> None:
        """Run what the records say is in force, if it does not run.

        Raises:
            SharedStateError: Postgres or the object store is down.
            ToolFailedError: It cannot be started.
        """
        async with self._locked(environment, service) as records:
            await self._run(records, await records.current())

    async def _run(self, records: ReleaseRecords, current: str | None) -> None:
        card = await records.card(current) if current is not None else None
        if card is None:
            await self._runner.end(records.session, records.service)
        else:
            await self._runner.put_in_force(
                records.session,
                records.service,
                card.release,
                served(card, await self._files(card)),
            )

    @asynccontextmanager
    async def _locked(self, environment: str, service: str) -> AsyncIterator[ReleaseRecords]:
        async with exclusive(self._database, f"services/{environment}/{service}") as session:
            yield ReleaseRecords(session, environment, service)

    async def _staged(
        self, records: ReleaseRecords, request: DeployRequest, digest: str
    ) -> Card:
        """Store the files and write the card, unless there is one."""
        card = await records.card(request.release)
        if card is not None and card.sha256 not in {digest, NEVER_MADE}:
            raise ReleaseConflictError(
                f"a release {request.release} of {request.service} with other files exists: choose another name"
            )
        if card is None:
            files = {
                path: await self._artefacts.put(text.encode())
                for path, text in request.files.items()
            }
            card = Card(
                release=request.release,
                sha256=digest,
                files=files,
                smoke_check=request.smoke_check,
                previous=await records.current(),
            )
            await records.save(card)
        return card

    async def _judged(
        self, records: ReleaseRecords, card: Card, files: Mapping[str, str]
    ) -> Card:
        """Run the release beside the one in force and check it; put it in force if it is well."""
        trial = await self._runner.try_out(
            records.session, records.service, card.release, served(card, files)
        )
        finding = trial.finding
        if not finding:
            finished = await self._checks.run(files, card.smoke_check, trial.address)
            finding = "" if _went_well(finished) else _said(finished)
        update: dict[str, object] = {"finding": finding, "serves": trial.serves}
        if finding:
            card = card.model_copy(update={**update, "health": Health.UNWELL})
            await records.save(card)
            await self._runner.drop(records.session, records.service, card.release)
            await self._run(records, await records.current())
        else:
            previous = await records.current()
            update |= {"health": Health.WELL, "previous": previous}
            card = card.model_copy(update=update)
            await records.put_in_force(card, card.release)
        return card

    async def _files(self, card: Card) -> dict[str, str]:
        return {
            path: (await self._artefacts.get(digest)).decode()
            for path, digest in card.files.items()
        }


def served(card: Card, files: Mapping[str, str]) -> dict[str, str]:
    """Return the files that an instance gets: all but the smoke check."""
    return {path: text for path, text in files.items() if path != card.smoke_check}


def _went_well(finished: Finished) -> bool:
    return finished.code == 0 and not (finished.timed_out or finished.flooded)


def _said(finished: Finished) -> str:
    """Return the end of a check's output, and how it failed, if it did."""
    text = (finished.stdout + finished.stderr).decode(errors="replace").strip()
    if _went_well(finished):
        return text[-_OUTPUT:]
    ended = f"exit code {finished.code}"
    if finished.timed_out:
        ended = "it took too long"
    elif finished.flooded:
        ended = "it printed too much"
    return f"{text[-_OUTPUT:]}\n({ended})".strip()
