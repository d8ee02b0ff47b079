"""Dispatches, and answers of Temporal, for the tests of what operations make of answers."""

import base64
from typing import Any
from uuid import uuid4

from msgspec.structs import replace

from bridge.operations.base import Dispatch
from bridge.operations.calls import Run
from bridge.operations.outcomes import Outcome
from eventstore.events import Event
from tests.support.operations import dispatch_of, event_of

START = {"workflow": "Ship", "task_queue": "shop"}
EVENT = event_of({"id": "order-7"})
OURS = Run(run_id="run-1", event_uid=str(EVENT.uid), route="ship", status="completed")
OTHERS = Run(run_id="run-1", event_uid=str(uuid4()), route="ship", status="completed")
OPEN = Run(run_id="run-1", first_run_id="run-0", status="running")
CLOSED = Run(run_id="run-1", first_run_id="run-0", status="completed")
CANCELLING = replace(OPEN, cancel_requested=True)
CONTINUED = replace(CLOSED, status="continued-as-new")
SUCCESSOR = Run(run_id="run-9", first_run_id="run-9", status="running")
TOKEN = base64.b64encode(b"\x12\x01w\x1a\x05run-1\x32\x01a").decode()
"""Of the activity a of workflow w, run-1."""
NONE = None
"""The answer of calls that answer nothing."""


def of(name: str, *, event: Event = EVENT, run_id: str | None = None, **spec: Any) -> Dispatch:
    needed: dict[str, Any] = {
        "start": START,
        "signal": {"signal": "paid", "workflow_id": "data.id"},
        "signal_with_start": {**START, "signal": "paid", "workflow_id": "data.id"},
        "update": {"update": "pay", "workflow_id": "data.id"},
        "update_with_start": {**START, "update": "pay", "workflow_id": "data.id"},
        "cancel": {"workflow_id": "data.id"},
        "terminate": {"workflow_id": "data.id"},
        "start_activity": {
            "activity": "A",
            "task_queue": "q",
            "start_to_close_timeout": "1m",
        },
        "complete_activity": {"token": f"'{TOKEN}'"},
        "fail_activity": {"token": f"'{TOKEN}'", "message": "'no'"},
    }[name]
    return replace(dispatch_of({name: {**needed, **spec}}, event), run_id=run_id)


def gist(outcome: Outcome) -> tuple[str, str | None, str | None]:
    return outcome.state, outcome.code, outcome.run_id
