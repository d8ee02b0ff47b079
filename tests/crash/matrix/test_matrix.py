"""The daemon killed at every named step of every operation, and started again.

Each event must then be in {effect, dead letter, explicitly ignored}, with one effect for each
event and route, and in order for each key, by the word of NATS, Postgres and Temporal.
"""

import sys

import pytest

from bridge.lifecycle.crash_points import POINTS
from tests.support.cells import Cells
from tests.support.matrix import OPERATIONS

pytestmark = [pytest.mark.slow]

TWO_STEPS = ("cancel", "terminate")
"""Operations that find the run, store it, and act on it then."""

ELSEWHERE = ("emit.", "closures.", "removal.", "erasure.", "deletion.", "windows.", "slots.")
"""Points that no cell passes: those on the way back (`test_way_back.py` kills the daemon there), those of
windows and slots (`test_windows.py`, `test_slots.py`), and those of `ntbridge store` (`tests/crash/bridge/test_removal_killed.py`, `test_erasure_killed.py`)."""

SAMPLE = [
    ("start", "intake.before-commit"),
    ("start", "dispatch.after-call"),
    ("signal", "intake.after-commit"),
    ("signal", "dispatch.handed"),
    ("start", "dispatch.handed:3"),
    ("signal", "dispatch.after-call:3"),
    ("signal_with_start", "dispatch.after-call"),
    ("update", "dispatch.before-settle"),
    ("cancel", "dispatch.resolution-stored"),
    ("terminate", "dispatch.after-call:2"),
    ("start", "dead-letter.published"),
    ("signal", "relay.acknowledged"),
]


def points_of(operation: str) -> list[str]:
    """Every point, some of them also for the third time, when much is on its way."""
    passed = [
        name
        for name in POINTS
        if (operation in TWO_STEPS or not name.startswith("dispatch.resol"))
        and not name.startswith(ELSEWHERE)
    ]
    return [*passed, *(f"{name}:3" for name in passed if name.endswith(("-call", ".handed")))]


async def test_a_sample_of_the_matrix(cells: Cells) -> None:
    await cells.run(SAMPLE)


@pytest.mark.torture
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("operation", OPERATIONS)
async def test_the_whole_matrix(cells: Cells, operation: str) -> None:
    count = await cells.run((operation, point) for point in points_of(operation))
    sys.stdout.write(f"{operation}: {count} cells, each event once, in order\n")
