"""The interface that ``ntbridge`` gives to a command: server addresses, NATS, the terminal.

These are protocols because the packages never import each other. ``bridge`` implements them.

.. code-block:: python

    @app.command
    async def grant(number: str, *, why: str, host: GivenHost) -> int: ...
"""

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, Literal, Protocol

from cyclopts import Parameter

from bridge.runtime.durations import check_seconds, flag_seconds

if TYPE_CHECKING:
    from bridge.runtime.temporal_connection import TemporalConnection
    from eventstore.events import Event  # imports the Postgres driver

SecondsFlag = Annotated[float, Parameter(converter=flag_seconds, validator=check_seconds)]
Output = Literal["table", "wide", "json", "ndjson", "yaml"]
OutputFlag = Annotated[Output | None, Parameter(name=["--output", "-o"], group="Output")]
ColumnsFlag = Annotated[
    str | None,
    Parameter(
        name="--columns",
        group="Output",
        help="Only these columns, separated by commas, in this order; JSON has the names.",
    ),
]


class Servers(Protocol):
    """Addresses of the servers. ``prefix`` precedes all NATS streams and subjects."""

    @property
    def nats_url(self) -> str: ...  # noqa: D102 - named after the setting, like those below
    @property
    def nats_prefix(self) -> str: ...  # noqa: D102
    @property
    def temporal(self) -> "TemporalConnection": ...  # noqa: D102
    @property
    def database_url(self) -> str: ...  # noqa: D102


class Result(Protocol):
    """A result event as it was published."""

    @property
    def event(self) -> "Event": ...  # noqa: D102
    @property
    def topic(self) -> str: ...  # noqa: D102
    @property
    def correlation_id(self) -> str:
        """The id of the first event of the chain."""

    @property
    def closes(self) -> bool:
        """Whether it closes its run."""

    @property
    def failed(self) -> bool:
        """Whether the run that it closes failed."""


class Channel(Protocol):
    """A connection to NATS."""

    async def publish(self, members: Mapping[str, Any]) -> str:
        """Publish a CloudEvent (at least a ``type``); return its id once NATS stored it."""

    async def results(self, since: datetime | None = None) -> AsyncIterator[Result]:
        """Yield all result events from a time on; default: from now."""


class Printer(Protocol):
    """Prints rows: by default a table in a terminal, else NDJSON."""

    @property
    def output(self) -> Output:
        """The format in use."""

    @property
    def is_table(self) -> bool:
        """Whether people read the output."""

    def stream(self, row: Mapping[str, Any]) -> None:
        """Print one row of an endless stream."""

    def all(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Print a complete list of rows."""


class Host(Protocol):
    """The services that a command receives. ``ntbridge`` prints the errors that they raise."""

    @property
    def servers(self) -> Servers:
        """Addresses of the servers, from flags, environment, file or a running stack."""

    def channel(self) -> AbstractAsyncContextManager[Channel]:
        """Connect to NATS."""

    async def publish(self, members: Mapping[str, Any]) -> str:
        """Publish one CloudEvent on a new connection; return its id."""

    def sample(self, name: str) -> dict[str, Any]:
        """Return the members of a sample event, without an id."""

    def printer(
        self, output: Output | None, columns: Sequence[str] = (), only: str | None = None
    ) -> Printer:
        """Return the printer for rows that all commands use; ``only``: the value of --columns."""

    def note(self, message: str) -> None:
        """Print a message that is not data, to standard error."""


GivenHost = Annotated[Host, Parameter(parse=False)]
"""Annotation of the parameter that receives the host."""
