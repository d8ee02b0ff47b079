"""Many cells of the matrix, some of them at a time."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from temporalio.client import Client

from bridge.devstack.addresses import Addresses
from tests.support import databases
from tests.support.daemon import Bridge
from tests.support.matrix import Cell
from tests.support.streams import delete_streams

AT_A_TIME = 6
"""Mostly they wait: for a daemon to start, for a lease to run out."""


@dataclass(frozen=True)
class Cells:
    """Makes and runs cells on servers that they share.

    Attributes:
        stack: where the servers are.
        template: name of a migrated database.
        temporal: a client.
        task_queue: that a worker serves.
        folder: for the daemons' logs.
    """

    stack: Addresses
    template: str
    temporal: Client
    task_queue: str
    folder: Path

    async def run(self, plan: Iterable[tuple[str, str]]) -> int:
        """Run a cell for each operation and point; return how many. The first failure is raised."""
        turns = asyncio.Semaphore(AT_A_TIME)

        async def one(operation: str, point: str) -> None:
            async with turns, self.cell(operation, point) as cell:
                try:
                    await cell.run()
                except BaseException as error:
                    error.add_note(f"in the cell of {operation} and {point}")
                    raise

        tasks = [asyncio.create_task(one(*each)) for each in plan]
        try:
            await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        return len(tasks)

    @asynccontextmanager
    async def cell(self, operation: str, point: str) -> AsyncIterator[Cell]:
        """A cell with a bridge of its own, not set up."""
        async with self.bridge() as bridge:
            yield Cell(bridge, self.temporal, operation, point)

    @asynccontextmanager
    async def bridge(self) -> AsyncIterator[Bridge]:
        """A bridge with a database, streams and a folder of its own."""
        prefix = f"t{secrets.token_hex(4)}"
        folder = self.folder / prefix
        folder.mkdir()
        async with databases.database(self.stack.database_url, template=self.template) as url:
            try:
                yield Bridge(
                    addresses=self.stack,
                    database_url=url,
                    prefix=prefix,
                    task_queue=self.task_queue,
                    folder=folder,
                )
            finally:
                await delete_streams(self.stack.nats_url, prefix)
