"""Record the histories of branches anew: python -m tests.replay.record [WORKFLOW [BRANCH…]].

Starts servers of its own. Histories of earlier versions are kept by renaming them first.
"""

import asyncio
import json
import secrets
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter

from eventstore.database import Database
from eventstore.migrate import migrate
from eventstore.store import EventStore
from tests.replay.recorded import RECORDED
from tests.support import servers

HISTORIES = Path(__file__).parent / "histories"


async def record(temporal_address: str, database_url: str, wanted: Sequence[str]) -> None:
    """Run the branches on the given servers and write their histories; all if none is named."""
    client = await Client.connect(
        temporal_address, data_converter=pydantic_data_converter, identity="recorder"
    )
    await migrate(database_url)
    database = await Database.connect(database_url)
    for name, recorded in RECORDED.items():
        if recorded.run is None or (wanted and name != wanted[0]):
            continue
        folder = HISTORIES / name
        folder.mkdir(parents=True, exist_ok=True)
        for branch in recorded.branches:
            if branch.name not in (wanted[1:] or (branch.name,)):
                continue
            handle = await recorded.run(
                branch,
                client=client,
                task_queue=f"record-{secrets.token_hex(4)}",
                store=EventStore(database),
            )
            history = without_traces(json.loads((await handle.fetch_history()).to_json()))
            path = folder / f"{branch.name}.json"
            path.write_text(json.dumps(history, indent=1, sort_keys=True) + "\n")
    await database.close()


def without_traces(history: Any) -> Any:
    """Return a history without stack traces, which name folders of the recording machine."""
    match history:
        case dict():
            return {
                key: without_traces(value)
                for key, value in history.items()
                if key != "stackTrace"
            }
        case list():
            return [without_traces(value) for value in history]
        case _:
            return history


def main() -> None:
    with servers.embedded() as stack:
        asyncio.run(record(stack.temporal_address, stack.database_url, sys.argv[1:]))


if __name__ == "__main__":
    main()
