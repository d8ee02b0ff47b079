"""Operations: what a route does in Temporal, one module for each; see `bridge.operations.base`.

Modules: `base` (the protocol), `fields`, `starting`, `targets` and `envelopes` (shared parts), `start`,
`signal`, `signal_with_start`, `update`, `update_with_start`, `cancel`, `terminate`, `start_activity`, `end_activity`, `calls` (the port to Temporal),
`outcomes` (the table of failures).
"""

from typing import Any

from bridge.operations.base import Operation
from bridge.operations.cancel import Cancel
from bridge.operations.end_activity import CompleteActivity, FailActivity
from bridge.operations.signal import Signal
from bridge.operations.signal_with_start import SignalWithStart
from bridge.operations.start import Start
from bridge.operations.start_activity import StartActivity
from bridge.operations.terminate import Terminate
from bridge.operations.update import Update
from bridge.operations.update_with_start import UpdateWithStart

OPERATIONS: dict[str, Operation[Any]] = {
    operation.name: operation
    for operation in (
        Start(),
        Signal(),
        SignalWithStart(),
        Update(),
        UpdateWithStart(),
        Cancel(),
        Terminate(),
        StartActivity(),
        CompleteActivity(),
        FailActivity(),
    )
}
"""By the name in the routes file and in the dispatch's row."""
