"""Where a run comes from: the memo that a route gave it, or the run that it goes back to.

A run that continues another, or is a child of one, is as much an effect of the event that began
it all, but only some SDKs hand the memo on. So when a run has none, the first run of its chain
is asked, and then the root of its tree of workflows.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import msgspec
from temporalio.api.common.v1 import Payload
from temporalio.api.workflow.v1 import WorkflowExecutionInfo

Describe = Callable[[str, str], Awaitable[WorkflowExecutionInfo]]

MEMBERS = ("ce", "bridge")
"""The fields of the memo by which a run knows what began it; `bridge.cloudevents.lineage` reads them."""

_MOST_STEPS = 4


async def lineage_memo(describe: Describe, workflow_id: str, run_id: str) -> dict[str, Any]:
    """Return what a run's memo says about the event that began it; empty when none did.

    Raises:
        CallError: Temporal is away, or does not know the run.
    """
    asked: set[str] = set()
    ahead = [(workflow_id, run_id)]
    while ahead and len(asked) < _MOST_STEPS:
        workflow_id, run_id = ahead.pop()
        asked.add(run_id)
        info = await describe(workflow_id, run_id)
        memo = read_memo(info.memo.fields)
        if "bridge" in memo:
            return memo
        root = info.root_execution
        before = [(root.workflow_id, root.run_id), (workflow_id, info.first_run_id)]
        ahead += [each for each in before if each[1] and each[1] not in asked]
    return {}


def read_memo(fields: Mapping[str, Payload]) -> dict[str, Any]:
    """Return the fields about lineage that can be read, as the JSON values they are."""
    found = {}
    for name in MEMBERS:
        if name in fields:
            try:
                found[name] = msgspec.json.decode(fields[name].data)
            except (msgspec.MsgspecError, UnicodeDecodeError):
                found[name] = None
    return found
