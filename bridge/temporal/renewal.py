"""`TemporalRenewal`: replaces the daemon's clients when a certificate or an API key changes."""

from collections.abc import Callable

import structlog
from temporalio.client import Client
from temporalio.runtime import Runtime
from typing_extensions import override

from bridge.lifecycle.services import TaskService, part_name
from bridge.operations.calls import CallError
from bridge.runtime.strict import DEFAULT_NAMESPACE
from bridge.runtime.temporal_client import RENEWAL_SECONDS, ClientRenewal
from bridge.settings.schema import TemporalSettings
from bridge.temporal.client import connect_worker

log = structlog.get_logger(__name__)


class TemporalRenewal(TaskService):
    """Checks the files of a connection, and gives its users a new client when one has changed.

    Args:
        settings: The connection.
        runtime: The runtime of the clients.
        known_as: The namespace, as plans call it.
    """

    def __init__(
        self,
        settings: TemporalSettings,
        runtime: Runtime | None = None,
        known_as: str = DEFAULT_NAMESPACE,
    ) -> None:
        super().__init__(part_name("temporal renewal", known_as))
        self._settings = settings
        self._runtime = runtime
        self._renewal = ClientRenewal(settings)
        self._users: tuple[Callable[[Client], None], ...] = ()

    def renew_for(self, *users: Callable[[Client], None]) -> None:
        """Set the functions that receive each new client."""
        self._users = users

    @override
    async def run(self) -> None:
        """Look again and again until stopped."""
        self.ready()
        if not self._renewal.files:
            await self.stopping.wait()
        while not self.stopping.is_set():
            await self.look()
            await self.pause(RENEWAL_SECONDS)

    async def look(self) -> bool:
        """Look once; return whether the clients were replaced."""
        files = [str(file) for file in self._renewal.files]
        try:
            renewed = await self._renewal.look(self._connect, self._use)
        except CallError as error:
            log.warning(
                "temporal.not_renewed",
                files=files,
                error=error.message,
                next_step="the previous certificate or key stays in use; the bridge tries again",
            )
            return False
        if renewed:
            log.info("temporal.renewed", files=files)
        return renewed

    async def _connect(self) -> Client:
        return await connect_worker(self._settings, self._runtime)

    def _use(self, client: Client) -> None:
        for use in self._users:
            use(client)
