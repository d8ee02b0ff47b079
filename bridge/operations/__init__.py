"""What routes can do to Temporal, one module for each operation; see `bridge.operations.base`."""

from typing import Any

from bridge.operations.base import Operation
from bridge.operations.cancel import Cancel
from bridge.operations.signal import Signal
from bridge.operations.signal_with_start import SignalWithStart
from bridge.operations.start import Start
from bridge.operations.terminate import Terminate
from bridge.operations.update import Update

OPERATIONS: dict[str, Operation[Any]] = {
    operation.name: operation
    for operation in (
        Start(),
        Signal(),
        SignalWithStart(),
        Update(),
        Cancel(),
        Terminate(),
    )
}
"""By the name that the routes file uses and the dispatch's row keeps."""
