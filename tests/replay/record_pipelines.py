"""Record the histories of the pipelines that span several modules: python -m tests.replay.record_pipelines.

Their branches are the scenarios of `tests.support.scenarios`, which go through a whole system; one
is made on servers of its own.
"""

import asyncio
import json
import secrets
import sys
import tempfile
from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from bridge.devstack.addresses import Addresses
from bridge.sql.storage import COMPONENTS
from eventstore.migrate import migrate
from tests.replay.record import HISTORIES, without_traces
from tests.support import servers
from tests.support.pipelines import Outcome, system
from tests.support.pipelines_bridge import PipelinesBridge
from tests.support.scenarios import IMPACT_TOO_HIGH, REVIEW_TIMED_OUT, SCENARIOS


async def record(stack: Addresses, folder: Path) -> None:
    """Run every scenario and write its history."""
    await migrate(stack.database_url, COMPONENTS)
    bridge = PipelinesBridge(
        addresses=stack,
        database_url=stack.database_url,
        prefix=f"r{secrets.token_hex(4)}",
        task_queue="record",
        folder=folder,
    )
    await bridge.set_up()
    async with system(bridge, bridge.daemon(), bridge.scripted_worker()) as running:
        skipping = await running.start_skipping(REVIEW_TIMED_OUT)
        ended = await asyncio.gather(
            *(running.run(scenario) for scenario in SCENARIOS), running.outcome(skipping)
        )
        for outcome in (*ended, await running.run(IMPACT_TOO_HIGH)):
            await write(outcome)


async def write(outcome: Outcome) -> None:
    """Write the history of a scenario's run."""
    scenario = outcome.scenario
    history = json.loads((await outcome.handle.fetch_history()).to_json())
    path = HISTORIES / scenario.pipeline / f"{scenario.name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    kept = nameless(without_traces(history))
    path.write_text(json.dumps(kept, indent=1, sort_keys=True) + "\n")


def nameless(history: Any) -> Any:
    """Return a history that names neither the processes that took part nor their folders."""
    match history:
        case dict():
            return {key: _NAMELESS.get(key, nameless)(value) for key, value in history.items()}
        case list():
            return [nameless(value) for value in history]
        case _:
            return history


def _payload(data: Any) -> Any:
    if not isinstance(data, str):
        return nameless(data)
    return b64encode(b64decode(data).replace(sys.prefix.encode(), b"/venv")).decode()


_NAMELESS: Mapping[str, Callable[[Any], Any]] = {
    "identity": lambda _: "recorder",
    "data": _payload,
}


def main() -> None:
    with servers.embedded() as stack, tempfile.TemporaryDirectory() as folder:
        asyncio.run(record(stack, Path(folder)))


if __name__ == "__main__":
    main()
