"""Keeps the services of this machine running: what the records say is in force, runs."""

import asyncio
from contextlib import suppress

import structlog

from eventstore.database import Database
from eventstore.errors import EventStoreError
from workflows.adapters.local.releases import LocalDeployer
from workflows.adapters.services.control import Control
from workflows.adapters.shared.locks import shared_state_errors
from workflows.errors import InvalidSettingError, PipelineError, ToolFailedError
from workflows.sql import STATEMENTS

_log = structlog.get_logger(__name__)

LOOK_SECONDS = 5.0
_PATIENCE_SECONDS = 120.0
"""How long to wait for a service whose lock another worker holds."""


class ServiceKeeper:
    """Starts services whose supervisor has gone, while a worker runs.

    Args:
        database: With the tables of the workflows.
        deployer: Knows what is in force.
        machine: The name of this machine.
        host: The address on which services listen.
    """

    def __init__(
        self, database: Database, deployer: LocalDeployer, machine: str, host: str
    ) -> None:
        self._database = database
        self._deployer = deployer
        self._machine = machine
        self._host = host
        self._looking: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Refuse a second machine, and begin to look.

        Raises:
            InvalidSettingError: Workers on another machine deploy with the same records.
            SharedStateError: Postgres is down.
        """
        with shared_state_errors():
            await self._database.execute(STATEMENTS["claim_machine"], self._machine)
            claimed = await self._database.fetchval(STATEMENTS["claimed_machine"])
        if claimed != self._machine:
            raise InvalidSettingError(
                f"qinfra.deployer: the local deployer serves one machine, {claimed}, and this "
                f"worker is on {self._machine}. Run the module qinfra there only; or set "
                "NTBRIDGE_WORKER_QINFRA__DEPLOYER to records or to your own on all workers; or, "
                f"if that machine is gone, set NTBRIDGE_WORKER_QINFRA__MACHINE={claimed} here"
            )
        self._looking = asyncio.create_task(self._look_often(), name="service keeper")

    async def stop(self) -> None:
        """Look no more; the services run on."""
        if self._looking is not None:
            self._looking.cancel()
            with suppress(asyncio.CancelledError):
                await self._looking

    async def look(self) -> None:
        """Start every service of this machine that should run and does not; end the others."""
        rows = await self._database.fetch(STATEMENTS["services_of_machine"], self._machine)
        for row in rows:
            control = Control.of(row, self._host)
            if control is not None and await _runs(control, row["current"]):
                continue
            _log.info(
                "service is started again" if row["current"] else "service is ended",
                environment=row["environment"],
                service=row["service"],
                release=row["current"],
            )
            async with asyncio.timeout(_PATIENCE_SECONDS):
                await self._deployer.ensure_running(row["environment"], row["service"])

    async def _look_often(self) -> None:
        while True:
            try:
                await self.look()
            except (EventStoreError, PipelineError, TimeoutError) as error:
                _log.warning("services cannot be looked at, trying again", reason=str(error))
            await asyncio.sleep(LOOK_SECONDS)


async def _runs(control: Control, release: str | None) -> bool:
    """Return whether the supervisor answers and forwards to the release."""
    if release is None:
        return False
    try:
        status = await control.ask("status", None)
    except ToolFailedError:
        return False
    return bool(status["release"] == release)
