"""Everything the bridge raises on purpose.

::

    BridgeError
    ├── SettingsError        a setting is missing or wrong: says which, and where it came from
    ├── RoutesError          the routes file is wrong: says where
    ├── ExpressionError      a CEL expression does not compile, or fails on an event
    ├── DecodeError          a message is no CloudEvent: it becomes a dead letter
    ├── EncodeError          an event cannot be rendered as a message
    ├── SubjectError         not a subject that NATS can carry
    ├── NotConnected         NATS is out of reach just now; the caller tries again
    ├── SourceMissing        a stream or consumer that must be there is not
    ├── RequestRefused       JetStream refuses a request: its error code and its own words
    ├── AttachError          a source cannot be read from as it is: says why, and what to do
    ├── StreamNotMadeError   a stream of the bridge's own cannot be made
    ├── ForeignWriter        somebody else writes to a stream that only the relay may write to
    ├── NotPublishedError    NATS did not take an event (bridge.jetstream.publishing)
    │   ├── MessageRefusedError  the server refuses one message (bridge.jetstream.batch_publisher)
    │   └── Overtaken        another publisher's message came in between (bridge.jetstream.batch_publisher)
    ├── InvalidEmitError     a workflow emits what is no event (bridge.emit.request)
    ├── CallError            Temporal refused, or did not answer in time (bridge.operations.calls)
    ├── LeftOpen             a dead letter cannot be redriven (bridge.history.redrive)
    ├── NoSuchReplay         there is no replay of this id (bridge.history.replay.store)
    ├── HeldElsewhere        somebody else does this just now (bridge.lifecycle.leadership)
    ├── FileRefused          a file cannot be written or read as asked (bridge.history.replay.to_file)
    ├── ArchiveRefused       a file of a history cannot be written or read (bridge.history.archive_file)
    ├── ChildEndedError      a child process did not survive an evaluation (bridge.evaluation.process)
    ├── UnknownRoute         a route was named that there is not (bridge.history.replay.to_routes)
    ├── TooManySources       an event's id alone does not find it (bridge.history.lookup)
    ├── ServiceDiedError     a part ended unasked (bridge.lifecycle.services)
    └── StackError           the development stack could not start or did not stay up

    OperatingError           of bridge.runtime, which workers share and which knows nothing of the bridge
    ├── TelemetryError       telemetry is asked for that cannot be had
    ├── SecretFileError      a secret's file cannot be read
    ├── ClearTextKeyError    an API key would be sent in clear
    ├── AddressTakenError    another process listens where the pages should be
    └── OutputError          standard output cannot be written

    PlaintextError           a NATS server without TLS, where the URL says tls:// (bridge.jetstream.client)
"""


class BridgeError(Exception):
    """The root of this package's errors. The message says what happened and what to do."""


class SettingsError(BridgeError):
    """A setting is missing, unknown or wrong."""


class RoutesError(BridgeError):
    """The routes file cannot be used. Each line of the message names file, line and column."""


class ExpressionError(BridgeError, ValueError):
    """A CEL expression that does not compile, or that fails on an event.

    ``line`` and ``column`` (from 1) say where in the expression's text, when that is known.
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
    """A message that is no CloudEvent 1.0 in the NATS binding.

    ``code`` is a stable word for the kind of fault, for metrics and filters.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class EncodeError(BridgeError):
    """An event that cannot be rendered in the JSON format."""


class SubjectError(BridgeError):
    """A subject that NATS would refuse or misread."""


class NotConnected(BridgeError):  # noqa: N818 - a state that passes, not a mistake
    """The NATS client is closed or not connected."""


class SourceMissing(BridgeError):  # noqa: N818 - a state of the server
    """A stream or consumer is missing."""


class RequestRefused(BridgeError):  # noqa: N818 - the server's decision, not a mistake of ours
    """JetStream refuses a request.

    Attributes:
        err_code: The server's own code of the reason (``err_code`` in its answer).
    """

    def __init__(self, operation: str, err_code: int, description: str) -> None:
        code = f" (error {err_code})" if err_code > 0 else ""
        super().__init__(f"NATS refuses $JS.API.{operation}: {description}{code}")
        self.err_code = err_code


class AttachError(BridgeError):
    """A source's stream or consumer cannot be used as it is.

    Attributes:
        to_do: What an operator can do about it.
    """

    def __init__(self, reason: str, to_do: str) -> None:
        super().__init__(reason)
        self.to_do = to_do


class StreamNotMadeError(BridgeError):
    """NATS refuses to make a stream of the bridge's own; says why and what to do."""


class ForeignWriter(BridgeError):  # noqa: N818 - names the culprit
    """A stream reserved for the relay holds messages the relay did not write."""


class StackError(BridgeError):
    """The development stack could not start or did not stay up."""
