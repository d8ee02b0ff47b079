"""The control of a supervisor, as a worker reaches it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import httpx

from eventstore.database import Row
from workflows.adapters.services.local_http import local_client
from workflows.errors import ToolFailedError

_LOOPBACK: Final = "127.0.0.1"
_ANY: Final = ("0.0.0.0", "::")  # noqa: S104 - compared, not listened on


@dataclass(frozen=True)
class Control:
    """How to reach the supervisor of a service."""

    machine: str
    address: str
    host: str
    port: int
    control_port: int
    token: str

    @classmethod
    def of(cls, row: Row, host: str) -> "Control | None":
        """Return the control of a row of ``services``; None if the service runs nowhere."""
        if row["token"] is None:
            return None
        named = ("machine", "address", "port", "control_port", "token")
        return cls(host=host, **{name: row[name] for name in named})

    @property
    def url(self) -> str:
        """Where clients reach the service."""
        return f"http://{self.address}:{self.port}"

    async def answers(self) -> bool:
        """Return whether the supervisor answers, and is the one of this token."""
        try:
            await self.ask("status", None)
        except ToolFailedError:
            return False
        return True

    async def ask(self, what: str, body: Mapping[str, Any] | None) -> Any:
        """Ask the supervisor for something.

        Raises:
            ToolFailedError: It does not answer, or refuses.
        """
        host = _LOOPBACK if self.host in _ANY else self.host
        url = f"http://{host}:{self.control_port}/{what}"
        headers = {"Authorization": f"Bearer {self.token}"}
        seconds = httpx.Timeout(150 if body is not None else 5, connect=5)
        try:
            async with local_client(seconds) as client:
                response = await client.request(
                    "GET" if body is None else "POST",
                    url,
                    headers=headers,
                    content=None if body is None else json.dumps(body),
                )
            response.raise_for_status()
            return response.json()
        except (httpx.HTTPError, ValueError) as error:
            raise ToolFailedError(
                f"the supervisor on port {self.control_port} did not answer {what}: {error!r}"
            ) from error
