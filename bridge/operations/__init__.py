"""What routes can do to Temporal, one module for each operation; see `bridge.operations.base`."""

from typing import Any

from bridge.operations.base import Operation
from bridge.operations.start import Start

OPERATIONS: dict[str, Operation[Any]] = {operation.name: operation for operation in (Start(),)}
"""By the name that the routes file uses and the dispatch's row keeps."""
