"""The exit codes of the commands."""

OK = 0
FAILED = 1
"""The command failed; the reason is on standard error."""
USAGE = 2
"""The command line is wrong."""
SETTINGS = 3
"""A setting or the routes file is wrong."""
UNAVAILABLE = 4
"""A server is unreachable, refuses the login, or is not set up (run ``ntbridge migrate``)."""
TIMED_OUT = 5
"""The command timed out."""
INTERRUPTED = 130
"""Ctrl-C."""
READER_GONE = 141
"""The reader of standard output has closed the pipe (``| head``); same code as for SIGPIPE."""


class Exit(Exception):  # noqa: N818 - not always an error
    """Ends a command with a code, and a message on standard error."""

    def __init__(self, code: int, message: str = "") -> None:
        super().__init__(message)
        self.code = code
