"""The health of a worker: ``/livez`` and ``/readyz``."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta

from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from bridge.runtime.encryption import encryption_finding
from bridge.runtime.findings import Finding, alive, is_ready, readiness
from bridge.runtime.http import HttpResponse, Page
from eventstore.database import Database
from eventstore.errors import EventStoreError, Unavailable
from workflows.config import WorkerSettings

_SECONDS = timedelta(seconds=2)


class WorkerHealth:
    """Probes the worker's servers on each request."""

    def __init__(self, settings: WorkerSettings) -> None:
        self._settings = settings
        self._waits: dict[str, Exception] = {}
        self._client: Client | None = None
        self._database: Database | None = None
        self._stopping = False
        self._others: list[Callable[[], Awaitable[Finding]]] = []
        self.was_ready = False
        """The result of the last probe."""

    def waits_for(self, server: str, error: Exception | None) -> None:
        """Record why a server cannot be used; None: it can be used."""
        self._waits.pop(server, None)
        if error is not None:
            self._waits[server] = error

    def serves(self, client: Client, database: Database) -> None:
        """Record that every queue is polled."""
        self._client, self._database, self._stopping = client, database, False
        self.was_ready = True

    def looks_at(self, look: Callable[[], Awaitable[Finding]]) -> None:
        """Add a check of something that only some workers use."""
        self._others.append(look)

    def stops(self) -> None:
        """Record that the worker takes no more work."""
        self._stopping = True
        self._others.clear()
        self._client, self._database = None, None

    def pages(self) -> dict[str, Page]:
        """Return the HTTP pages."""
        return {"/livez": alive, "/readyz": self._readyz}

    async def findings(self) -> Sequence[Finding]:
        """Probe now."""
        findings = await self._look()
        self.was_ready = is_ready(findings)
        return findings

    async def _readyz(self) -> HttpResponse:
        return readiness(await self.findings())

    async def _look(self) -> Sequence[Finding]:
        if self._stopping:
            return [Finding("worker", "failed", "stopping", "no action: it was asked to stop")]
        if self._client is None or self._database is None:
            return [
                Finding("worker", "failed", "starting", "see the other failed checks"),
                *(
                    temporal_finding(self._settings, error)
                    if server == "temporal"
                    else postgres_finding(error)
                    for server, error in self._waits.items()
                ),
            ]
        return [
            Finding(
                "worker",
                "ok",
                f"polls for {', '.join(self._settings.modules) or 'all modules'}",
            ),
            await self._look_at_temporal(self._client),
            await self._look_at_postgres(self._database),
            encryption_finding(
                self._settings.plain_connections, insecure=self._settings.insecure
            ),
            *[await look() for look in self._others],
        ]

    async def _look_at_temporal(self, client: Client) -> Finding:
        try:
            await client.workflow_service.describe_namespace(
                DescribeNamespaceRequest(namespace=client.namespace), timeout=_SECONDS
            )
        except (RPCError, RuntimeError) as error:
            return temporal_finding(self._settings, error)
        return Finding("temporal", "ok", "answers")

    async def _look_at_postgres(self, database: Database) -> Finding:
        try:
            await database.fetchval("select 1")
        except EventStoreError as error:
            return postgres_finding(error)
        return Finding("postgres", "ok", "answers")


def temporal_finding(settings: WorkerSettings, error: Exception) -> Finding:
    """Return why Temporal cannot be used, and what to do."""
    temporal = settings.temporal
    address, namespace = temporal.address, temporal.namespace
    if isinstance(error, RPCError) and error.status == RPCStatusCode.NOT_FOUND:
        return Finding(
            "temporal",
            "failed",
            f"{address} has no namespace {namespace!r}: {error.message}",
            "create it, or correct TEMPORAL_NAMESPACE; the worker keeps trying",
        )
    return Finding(
        "temporal",
        "failed",
        f"{address}: {error}",
        "start Temporal, or correct TEMPORAL_ADDRESS; the worker keeps trying",
    )


def postgres_finding(error: Exception) -> Finding:
    """Return why Postgres cannot be used, and what to do."""
    to_do = (
        "start Postgres, or correct DATABASE_URL; the worker keeps trying"
        if isinstance(error, Unavailable)
        else "see the server's log"
    )
    return Finding("postgres", "failed", str(error), to_do)
