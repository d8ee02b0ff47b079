"""Clients of Temporal for a `TemporalConnection`, replaced when a certificate or an API key changes.

The SDK reads certificates once, when a client is made. `ClientRenewal` therefore makes a new client when a
file has changed. Calls in flight and polls under way finish on the old client, whose connection closes
after them; every later call uses the new one.
"""

from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bridge.runtime.errors import TemporalUnreachableError
from bridge.runtime.temporal_connection import TemporalConnection
from bridge.runtime.temporal_diagnosis import tls_problem

if TYPE_CHECKING:
    from temporalio.client import Client

RENEWAL_SECONDS = 5.0
"""Interval between two checks of the files."""


async def connect(settings: TemporalConnection, **more: Any) -> "Client":
    """Return a client.

    Args:
        settings: The address, the namespace and what identifies the client.
        more: Further arguments of `temporalio.client.Client.connect`.

    Raises:
        ConnectionFileError: A file of the settings cannot be read.
        TemporalUnreachableError: Temporal cannot be reached, and ``lazy`` is not set.
    """
    from temporalio.client import Client  # noqa: PLC0415 - slow to import

    arguments = {
        "namespace": settings.namespace,
        "api_key": settings.read_api_key(),
        "tls": settings.tls_config(),
        "rpc_metadata": dict(settings.grpc_meta),
        **more,
    }
    try:
        return await Client.connect(settings.address, **arguments)
    except RuntimeError as error:
        problem = await tls_problem(settings)
        raise TemporalUnreachableError(problem or str(error)) from error


class ClientRenewal:
    """Notices changed files of a connection.

    Args:
        settings: The connection. Create the renewal before the first client, so that no change is
            missed.
    """

    def __init__(self, settings: TemporalConnection) -> None:
        self._files = settings.files
        self._seen = _signature(self._files)

    @property
    def files(self) -> Sequence[Path]:
        """The files; without any, there is nothing to renew."""
        return self._files

    async def look(
        self, make: Callable[[], Awaitable["Client"]], use: Callable[["Client"], None]
    ) -> bool:
        """Make a client and hand it over if a file has changed; return whether it has.

        Args:
            make: Returns a connected client. If it raises, the next look tries again: perhaps only
                one of two files was replaced yet.
            use: Receives the client.
        """
        found = _signature(self._files)
        if found == self._seen:
            return False
        use(await make())
        self._seen = found
        return True


def _signature(files: Sequence[Path]) -> list[tuple[int, int, int] | None]:
    """Return what changes when a file, or the symbolic link that leads to it, is replaced."""
    found: list[tuple[int, int, int] | None] = []
    for file in files:
        try:
            status = file.stat()
        except OSError:
            found.append(None)
        else:
            found.append((status.st_ino, status.st_mtime_ns, status.st_size))
    return found
