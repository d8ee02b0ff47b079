"""What the commands' exit codes mean."""

OK = 0
FAILED = 1
"""It was tried and did not succeed; the reason is on standard error."""
USAGE = 2
"""The command line is wrong."""
SETTINGS = 3
"""A setting or the routes file is wrong."""
UNAVAILABLE = 4
"""A server cannot be reached, refuses us, or is not set up (run ``ntbridge migrate``)."""
TIMED_OUT = 5
"""What was waited for did not come in time."""
INTERRUPTED = 130
"""Ctrl-C."""
READER_GONE = 141
"""Whoever read standard output has closed the pipe (``| head``); as the signal SIGPIPE gives it."""


class Exit(Exception):  # noqa: N818 - ends a command, not always for an error
    """Ends a command with a code, and a message on standard error."""

    def __init__(self, code: int, message: str = "") -> None:
        super().__init__(message)
        self.code = code
