"""The exceptions of the bridge.

::

    BridgeError
    ├── SettingsError        a setting is missing or wrong: has key and origin
    ├── RoutesError          the routes file is wrong: has file, line and column
    ├── Contradiction        settings and routes file disagree about a source (bridge.sources.merging)
    ├── ExpressionError      a CEL expression does not compile, or fails on an event
    ├── DecodeError          a message is not a CloudEvent: it becomes a dead letter
    ├── EncodeError          an event cannot be encoded as a message
    ├── SubjectError         a subject is not valid in NATS
    ├── NotConnected         NATS is unreachable; the caller retries
    ├── SourceMissing        a required stream or consumer does not exist
    ├── RequestRefused       JetStream refuses a request: has its error code and message
    ├── AttachError          a source cannot be read: says why and what to do
    ├── StreamNotMadeError   a stream of the bridge cannot be created
    ├── ForeignWriter        another publisher writes to the stream of the relay
    ├── NotPublishedError    NATS did not accept an event (bridge.jetstream.publishing)
    │   ├── MessageRefusedError  NATS refuses one message (bridge.jetstream.batch_publisher)
    │   └── Overtaken        another publisher's message came first (bridge.jetstream.batch_publisher)
    ├── InvalidEmitError     a workflow emits something that is not an event (bridge.emit.request)
    ├── CallError            Temporal refused a call, or did not answer in time (bridge.operations.calls)
    ├── NotRedriven          a dead letter cannot be redriven (bridge.history.redrive)
    ├── NoSuchReplay         no replay has this id (bridge.history.replay.store)
    ├── ReplayStopped        somebody stopped the replay (bridge.history.replay.store)
    ├── HeldElsewhere        another process holds the lease (bridge.lifecycle.leadership)
    ├── FileRefused          a file cannot be written or read (bridge.history.replay.to_file)
    ├── ArchiveRefused       an exported history cannot be written or read (bridge.history.archive_file)
    ├── PartRefused          a part of an archive is damaged (bridge.history.removal.part)
    ├── ArchiveUnavailable   archived events cannot be read (bridge.history.removal.archive)
    ├── RemovalRefused       a removal cannot begin or continue (bridge.history.removal.remover)
    ├── ChildEndedError      a child process ended during an evaluation (bridge.evaluation.process)
    ├── UnknownRoute         the routes file has no route of this name (bridge.history.replay.to_routes)
    ├── RequestForbidden     the console does not carry out a request (bridge.console.guard)
    ├── TooManyWatchers      no more browsers can follow the log (bridge.console.tail)
    ├── TooManySources       an event id alone is not enough to find the event (bridge.inspect.lookup)
    ├── ServiceDiedError     a service ended unexpectedly (bridge.lifecycle.services)
    └── StackError           the development stack could not start, or stopped

    OperatingError           of bridge.runtime, which the workers use too
    ├── TelemetryError       the requested telemetry is not available
    ├── SecretFileError      the file of a secret cannot be read
    ├── ClearTextKeyError    an API key would be sent unencrypted
    ├── ConnectionFileError  a file that a connection needs cannot be used
    │   └── KeyFileError         the file of a payload codec's keys cannot be read
    ├── TemporalUnreachableError  Temporal cannot be reached
    ├── ProfileError         a profile of temporal.toml cannot be read
    ├── CodecError           payloads cannot be encoded or decoded now: the caller retries
    ├── AddressTakenError    the HTTP server cannot listen on its address
    ├── ObjectStoreError     an object store cannot be opened, does not answer or refuses
    │   ├── ObjectMissingError   it has no object of a key
    │   └── PayloadTooLargeError a payload is larger than any that is stored
    └── OutputError          standard output cannot be written

    SecretFileMissingError   a file of the connection to NATS cannot be used (bridge.jetstream.client)
    PlaintextError           the URL has tls://, but the NATS server has no TLS (bridge.jetstream.client)
"""


class BridgeError(Exception):
    """The base class of these exceptions. The message says what happened and what to do."""


class SettingsError(BridgeError):
    """A setting is missing, unknown or wrong."""


class RoutesError(BridgeError):
    """The routes file is wrong. Each line of the message has file, line and column."""


class ExpressionError(BridgeError, ValueError):
    """A CEL expression does not compile, or fails on an event.

    ``line`` and ``column`` (from 1) are the place in the expression, if known.
    """

    def __init__(
        self,
        message: str,
        *,
        line: int | None = None,
        column: int | None = None,
    ) -> None:
        super().__init__(message)
        self.line = line
        self.column = column


class DecodeError(BridgeError):
    """A message is not a CloudEvent 1.0 in the NATS binding.

    ``code`` is a stable name for the kind of failure, for metrics and filters.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class EncodeError(BridgeError):
    """An event cannot be encoded in the JSON format."""


class SubjectError(BridgeError):
    """A subject is not valid in NATS."""


class NotConnected(BridgeError):  # noqa: N818 - a temporary state
    """The NATS client is closed or not connected."""


class SourceMissing(BridgeError):  # noqa: N818 - a state of the server
    """A stream or consumer does not exist."""


class RequestRefused(BridgeError):  # noqa: N818 - the server's decision
    """JetStream refuses a request.

    Attributes:
        err_code: The server's error code (``err_code`` in its response).
    """

    def __init__(self, subject: str, err_code: int, description: str) -> None:
        code = f" (error {err_code})" if err_code > 0 else ""
        super().__init__(f"NATS refuses {subject}: {description}{code}")
        self.err_code = err_code


class AttachError(BridgeError):
    """The stream or consumer of a source cannot be used.

    Attributes:
        to_do: What an operator can do about it.
    """

    def __init__(self, reason: str, to_do: str) -> None:
        super().__init__(reason)
        self.to_do = to_do


class StreamNotMadeError(BridgeError):
    """NATS refuses to create a stream of the bridge; says why and what to do."""


class ForeignWriter(BridgeError):  # noqa: N818 - names the cause
    """A stream reserved for the relay has messages of another publisher."""


class StackError(BridgeError):
    """The development stack could not start, or stopped."""
