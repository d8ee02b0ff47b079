"""Services that run on this machine, for tests: ended when the test ends, and looked at over HTTP."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from eventstore.database import Database
from workflows.adapters.services.control import Control
from workflows.errors import ToolFailedError

HOST = "127.0.0.1"
ALL = "select environment, service, current, machine, address, port, control_port, token from services"


@asynccontextmanager
async def ending_services(database_url: str) -> AsyncIterator[None]:
    """End the supervisors of all services of a database after the block."""
    try:
        yield
    finally:
        database = await Database.connect(database_url, size=1)
        try:
            for control in await controls(database):
                with suppress(ToolFailedError):  # it has ended already
                    await control.ask("end", {})
        finally:
            await database.close()


async def controls(database: Database) -> list[Control]:
    """The controls of all services that run, or should."""
    rows = await database.fetch(ALL)
    return [control for row in rows if (control := Control.of(row, HOST)) is not None]
