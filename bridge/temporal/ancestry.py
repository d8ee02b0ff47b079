"""The event that started a run, from its memo or the memo of an ancestor.

A run that continues another run, or is a child of one, is also an effect of the event that started
the first, but only some SDKs copy the memo. When a run has no memo of the bridge, the first run of
its chain is read, then the root of its workflow tree.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import msgspec
from temporalio.api.common.v1 import Payload
from temporalio.api.workflow.v1 import WorkflowExecutionInfo

Describe = Callable[[str, str], Awaitable[WorkflowExecutionInfo]]

MEMBERS = ("ce", "bridge")
"""The memo fields that name the event that started the run; `bridge.cloudevents.lineage` reads them."""

_MAX_STEPS = 4


async def lineage_memo(describe: Describe, workflow_id: str, run_id: str) -> dict[str, Any]:
    """Return the memo fields about the event that started a run; empty when no event did.

    Raises:
        CallError: Temporal is unavailable, or does not know the run.
    """
    visited: set[str] = set()
    pending = [(workflow_id, run_id)]
    while pending and len(visited) < _MAX_STEPS:
        workflow_id, run_id = pending.pop()
        visited.add(run_id)
        info = await describe(workflow_id, run_id)
        memo = read_memo(info.memo.fields)
        if "bridge" in memo:
            return memo
        root = info.root_execution
        ancestors = [(root.workflow_id, root.run_id), (workflow_id, info.first_run_id)]
        pending += [each for each in ancestors if each[1] and each[1] not in visited]
    return {}


def read_memo(fields: Mapping[str, Payload]) -> dict[str, Any]:
    """Return the lineage fields of a memo as JSON values; None for one that is not JSON."""
    found = {}
    for name in MEMBERS:
        if name in fields:
            try:
                found[name] = msgspec.json.decode(fields[name].data)
            except (msgspec.MsgspecError, UnicodeDecodeError):
                found[name] = None
    return found
