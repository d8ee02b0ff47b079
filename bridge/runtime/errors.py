"""What goes wrong in telling how a process is; the tree is drawn in `bridge.errors`."""


class OperatingError(Exception):
    """The root of this package's errors."""


class TelemetryError(OperatingError):
    """What the ``OTEL_*`` variables ask for cannot be had; says what to do."""


class SecretFileError(OperatingError):
    """A secret's file cannot be read; never says what is in it."""


class ClearTextKeyError(OperatingError):
    """An API key would be sent in clear; says what to set."""


class AddressTakenError(OperatingError):
    """The server cannot listen where it was told to."""


class OutputError(OperatingError):
    """Standard output cannot be written; says why."""

    def __init__(self, message: str, *, reader_gone: bool) -> None:
        super().__init__(message)
        self.reader_gone = reader_gone
        """Whether whoever read it has closed the pipe: nothing is wrong then."""
