"""What ``ntbridge`` gives to a command: where the servers are, NATS, and the terminal.

Protocols, because these packages never import each other; ``bridge.cli.host`` fulfils them.

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
    from eventstore.events import Event  # with it comes the driver of Postgres

SecondsFlag = Annotated[float, Parameter(converter=flag_seconds, validator=check_seconds)]
Output = Literal["table", "json", "ndjson"]
OutputFlag = Annotated[Output | None, Parameter(name=["--output", "-o"], group="Output")]


class Servers(Protocol):
    """Where the servers are. A prefix is put before all streams and subjects of NATS."""

    @property
    def nats_url(self) -> str: ...  # noqa: D102 - named after the setting, like those below
    @property
    def nats_prefix(self) -> str: ...  # noqa: D102
    @property
    def temporal_address(self) -> str: ...  # noqa: D102
    @property
    def temporal_namespace(self) -> str: ...  # noqa: D102
    @property
    def temporal_tls(self) -> bool | None: ...  # noqa: D102
    @property
    def temporal_api_key(self) -> str | None: ...  # noqa: D102
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
        """The id of the event that began it all."""

    @property
    def closes(self) -> bool:
        """Whether it tells the end of its run."""

    @property
    def failed(self) -> bool:
        """Whether the run it closes has failed."""


class Channel(Protocol):
    """A connection to NATS."""

    async def publish(self, members: Mapping[str, Any]) -> str:
        """Publish a CloudEvent, at least a ``type``; return its id when NATS has it."""

    async def results(self, since: datetime | None = None) -> AsyncIterator[Result]:
        """Return the result events from a time on, by default from now; none is missed."""


class Printer(Protocol):
    """Prints rows: a table in a terminal, else NDJSON, unless asked otherwise."""

    @property
    def output(self) -> Output:
        """The format that was chosen."""

    def stream(self, row: Mapping[str, Any]) -> None:
        """Print one row of a stream that has no end."""

    def all(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Print rows that are all there."""


class Host(Protocol):
    """What a command is given. What it raises, ``ntbridge`` knows how to tell."""

    @property
    def servers(self) -> Servers:
        """Where the servers are, from flags, environment, file or a running stack."""

    def channel(self) -> AbstractAsyncContextManager[Channel]:
        """Connect to NATS."""

    async def publish(self, members: Mapping[str, Any]) -> str:
        """Publish one CloudEvent on a connection of its own; return its id."""

    def sample(self, name: str) -> dict[str, Any]:
        """Return the members of a sample event, without an id."""

    def printer(self, output: Output | None, columns: Sequence[str] = ()) -> Printer:
        """Return what prints rows as every command does."""

    def note(self, message: str) -> None:
        """Tell the person something that is not data: on standard error."""


GivenHost = Annotated[Host, Parameter(parse=False)]
"""The annotation of the parameter by which a command is given its host."""
