"""Timeouts and retries of each kind of step, as one table.

================  ==============  =========  ==================  ======================
policy            start to close  heartbeat  tries               waits
================  ==============  =========  ==================  ======================
``GENERATION``    10 min          15 s       3                   1 s, doubling to 100 s
``SAGA``          15 min          15 s       3                   1 s, doubling to 100 s
``NOTE``          15 min          15 s       3                   1 s, doubling to 100 s
``INFRA``         30 min          15 s       5                   1 s, doubling to 100 s
``NOTIFY``        30 s            10 s       10                  1 s, doubling to 60 s
``COMPENSATION``  15 min          15 s       10                  1 s, doubling to 60 s
``ROLL_BACK``     30 min          15 s       10                  1 s, doubling to 60 s
``EMIT``          5 s             none       until it is stored  1 s, doubling to 30 s
================  ==============  =========  ==================  ======================

Under ``SAGA`` the run waits until the activity of a cancelled step has ended; its effects cannot
be undone before. The activity learns of the cancellation with its next heartbeat.

A missing heartbeat tells Temporal that a worker was killed: after that time another worker gets
the step. (An emit is short and has no heartbeat.)

A permanent error (``workflows.errors``) is not retried under any policy.
"""

from dataclasses import dataclass
from datetime import timedelta

from temporalio.common import RetryPolicy

from workflows.errors import permanent_error_names


@dataclass(frozen=True, kw_only=True)
class Policy:
    """The limits of one kind of step."""

    start_to_close: timedelta
    retry: RetryPolicy
    heartbeat: timedelta
    waits: bool = False
    """Whether a cancelled step waits until its activity has ended."""


def _policy(
    *,
    start_to_close: timedelta,
    tries: int,
    longest_wait: int,
    heartbeat: int = 15,
    waits: bool = False,
) -> Policy:
    """Return a policy; the longest wait between tries and the heartbeat are in seconds."""
    return Policy(
        start_to_close=start_to_close,
        waits=waits,
        heartbeat=timedelta(seconds=heartbeat),
        retry=RetryPolicy(
            initial_interval=timedelta(seconds=1),
            backoff_coefficient=2.0,
            maximum_interval=timedelta(seconds=longest_wait),
            maximum_attempts=tries,
            non_retryable_error_types=permanent_error_names(),
        ),
    )


GENERATION = _policy(start_to_close=timedelta(minutes=10), tries=3, longest_wait=100)

# A step must have ended before its compensation runs.
SAGA = _policy(start_to_close=timedelta(minutes=15), tries=3, longest_wait=100, waits=True)

# Records of a run need no undo: a cancellation need not wait for them.
NOTE = _policy(start_to_close=timedelta(minutes=15), tries=3, longest_wait=100)

INFRA = _policy(start_to_close=timedelta(minutes=30), tries=5, longest_wait=100, waits=True)

# For outages of the receiver of some minutes: the result event has the same content anyway.
NOTIFY = _policy(start_to_close=timedelta(seconds=30), tries=10, longest_wait=60, heartbeat=10)

# More attempts than the step: an effect that is not undone must be removed by hand.
COMPENSATION = _policy(start_to_close=timedelta(minutes=15), tries=10, longest_wait=60)

# To restore may take as long as to provision.
ROLL_BACK = _policy(start_to_close=timedelta(minutes=30), tries=10, longest_wait=60)

# 0 attempts means no limit: a long outage of the store must not lose a result.
EMIT = _policy(start_to_close=timedelta(seconds=5), tries=0, longest_wait=30, heartbeat=10)
