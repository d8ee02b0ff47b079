"""Trying again when the other side says so."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from temporalio.exceptions import ApplicationError

from workflows.errors import GatewayFailedError


@contextmanager
def patiently() -> Iterator[None]:
    """Make a request for patience in the body decide when the next try is due.

    Raises:
        ApplicationError: Of the error's type, with the time that was asked for.
    """
    try:
        yield
    except GatewayFailedError as error:
        if error.seconds is None:
            raise
        raise ApplicationError(
            str(error),
            type=type(error).__name__,
            next_retry_delay=timedelta(seconds=error.seconds),
        ) from error
