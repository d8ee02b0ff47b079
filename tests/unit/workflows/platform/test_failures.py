"""What a closing event says about each kind of failure."""

import asyncio

import pytest
from temporalio.exceptions import (
    ApplicationError,
    CancelledError,
    TimeoutType,
)
from temporalio.exceptions import (
    TimeoutError as TemporalTimeoutError,
)

from tests.unit.workflows.platform.failures import activity_error
from workflows.errors import InvalidInputError
from workflows.messages.result_events import Failed
from workflows.platform.failures import failure_of


@pytest.mark.parametrize(
    ("error", "failed"),
    [
        (
            InvalidInputError("no prompt"),
            Failed(reason="no prompt", error="InvalidInputError"),
        ),
        (
            activity_error(ApplicationError("no recipe", type="PromptNotServedError")),
            Failed(
                reason="no recipe", error="PromptNotServedError", step="qagent.generate_code"
            ),
        ),
        (
            activity_error(
                TemporalTimeoutError(
                    "activity timeout",
                    type=TimeoutType.START_TO_CLOSE,
                    last_heartbeat_details=[],
                )
            ),
            Failed(
                reason="gave no answer in time (start to close)",
                error="TimeoutError",
                step="qagent.generate_code",
            ),
        ),
        (
            activity_error(CancelledError("cancelled")),
            Failed(
                reason="the run was cancelled",
                error="Cancelled",
                step="qagent.generate_code",
                cancelled=True,
            ),
        ),
        (
            asyncio.CancelledError(),
            Failed(reason="the run was cancelled", error="Cancelled", cancelled=True),
        ),
    ],
)
def test_the_reason_is_what_went_wrong_inside(error: BaseException, failed: Failed) -> None:
    assert failure_of(error) == failed
