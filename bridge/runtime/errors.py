"""The errors of `bridge.runtime`; `bridge.errors` draws the tree."""


class OperatingError(Exception):
    """The root of this package's errors."""


class TelemetryError(OperatingError):
    """The ``OTEL_*`` variables request an exporter that is not available; says what to do."""


class SecretFileError(OperatingError):
    """The file of a secret cannot be read. The message never contains the secret."""


class ClearTextKeyError(OperatingError, ValueError):
    """An API key would be sent unencrypted; says what to set."""


class ConnectionFileError(OperatingError):
    """A file that a connection needs cannot be used: has the setting, the file and the reason."""


class TemporalUnreachableError(OperatingError, RuntimeError):
    """Temporal cannot be reached; says why. Also a `RuntimeError`, as the SDK raises."""


class ProfileError(OperatingError):
    """A profile of ``temporal.toml`` cannot be read; never quotes the file."""


class KeyFileError(ConnectionFileError):
    """The file of a payload codec's keys cannot be read. The message never contains a key."""


class CodecError(OperatingError):
    """Payloads cannot be encoded or decoded now; the message has neither keys nor contents.

    The payload is not at fault: a key is missing here, or the codec server does not answer. Callers
    retry.
    """

    def __init__(self, message: str, *, unreachable: bool = False) -> None:
        super().__init__(message)
        self.unreachable = unreachable
        """Whether a codec server does not answer, so that other calls would fail too."""


class AddressTakenError(OperatingError):
    """The HTTP server cannot listen on its address."""


class OutputError(OperatingError):
    """Standard output cannot be written; says why."""

    def __init__(self, message: str, *, reader_gone: bool) -> None:
        super().__init__(message)
        self.reader_gone = reader_gone
        """Whether the reader has closed the pipe, which is not a failure."""


class ObjectStoreError(OperatingError):
    """An object store cannot be opened, does not answer or refuses; says which and why."""


class PayloadTooLargeError(ObjectStoreError):
    """A payload is larger than any that is stored; names both sizes."""


class ObjectMissingError(ObjectStoreError):
    """An object store has no object of a key."""
