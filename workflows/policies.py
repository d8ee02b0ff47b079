"""How long each kind of step may take and how often it is tried: the one table.

==============  ==============  =========  ==================  ======================
policy          start to close  heartbeat  tries               waits
==============  ==============  =========  ==================  ======================
``GENERATION``  10 min          15 s       3                   1 s, doubling to 100 s
``EMIT``        30 s            10 s       until it is stored  1 s, doubling to 30 s
==============  ==============  =========  ==================  ======================

A missing heartbeat is how Temporal learns that a worker was killed: the step goes to another
worker after that time.

What is permanent by its type (``workflows.errors``) is tried once under every policy.
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


GENERATION = Policy(
    start_to_close=timedelta(minutes=10),
    heartbeat=timedelta(seconds=15),
    retry=RetryPolicy(
        initial_interval=timedelta(seconds=1),
        backoff_coefficient=2.0,
        maximum_interval=timedelta(seconds=100),
        maximum_attempts=3,
        non_retryable_error_types=permanent_error_names(),
    ),
)

EMIT = Policy(
    start_to_close=timedelta(seconds=30),
    heartbeat=timedelta(seconds=10),
    retry=RetryPolicy(
        initial_interval=timedelta(seconds=1),
        backoff_coefficient=2.0,
        maximum_interval=timedelta(seconds=30),
        # A result must not be lost because the store was down for longer than we foresaw.
        maximum_attempts=0,
        non_retryable_error_types=permanent_error_names(),
    ),
)
