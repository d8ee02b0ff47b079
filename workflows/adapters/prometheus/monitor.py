"""Rules of services for Prometheus: rows that all workers share, and files that Prometheus reads."""

import asyncio
import json
from contextlib import suppress
from hashlib import sha256
from pathlib import Path

import httpx
import structlog
import yaml

from eventstore.database import Database, Row
from workflows.adapters.local import files
from workflows.adapters.prometheus.rules import rules_for
from workflows.adapters.prometheus.validity import check
from workflows.adapters.shared.locks import shared_state_errors
from workflows.errors import RulesInvalidError, RunUndoneError, SharedStateError
from workflows.messages.monitoring import (
    Monitoring,
    MonitoringRemoved,
    MonitoringRequest,
    RemoveMonitoringRequest,
)
from workflows.sql import STATEMENTS

_log = structlog.get_logger(__name__)

SYNC_SECONDS = 5.0
RULES = ".rules.yml"
TARGETS = "targets.json"
"""Where the services are measured, for ``file_sd_configs``."""


class RulesFolder:
    """The files of one worker: they follow the rows, whichever worker wrote those.

    Args:
        database: With the tables of the workflows.
        folder: Prometheus needs ``<folder>/*.rules.yml`` in ``rule_files`` and
            ``<folder>/targets.json`` in ``file_sd_configs``; created if it is missing.
        reload: Is requested (POST) after rules have changed.
    """

    def __init__(self, database: Database, folder: Path, reload: str | None = None) -> None:
        self._database = database
        self._folder = folder
        self._reload = reload
        self._stale = True
        self._writing = asyncio.Lock()
        self._following: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to follow the rows."""
        self._following = asyncio.create_task(self._follow(), name="monitoring rules")

    async def stop(self) -> None:
        """Follow them no more."""
        if self._following is not None:
            self._following.cancel()
            with suppress(asyncio.CancelledError):
                await self._following

    async def write(self) -> None:
        """Write the files as the rows are now.

        Raises:
            SharedStateError: Postgres is down.
        """
        async with self._writing:
            with shared_state_errors():
                rows = await self._database.fetch(STATEMENTS["all_rules"])
            wanted = {name_of(row["environment"], row["service"]): row["rules"] for row in rows}
            changed = await asyncio.to_thread(self._written, wanted, _targets(rows))
            self._stale = self._stale or changed
            if self._stale and self._reload is not None:
                await self._request_reload(self._reload)

    def _written(self, wanted: dict[str, str], targets: str) -> bool:
        """Write what differs; return whether rules have changed."""
        self._folder.mkdir(parents=True, exist_ok=True)
        changed = False
        for path in self._folder.glob(f"*{RULES}"):
            if path.name not in wanted:
                path.unlink(missing_ok=True)
                changed = True
        for name, text in {**wanted, TARGETS: targets}.items():
            path = self._folder / name
            if not path.exists() or path.read_text(encoding="utf-8") != text:
                files.write(path, text.encode())
                changed = changed or name != TARGETS
        return changed

    async def _request_reload(self, url: str) -> None:
        try:
            async with httpx.AsyncClient(timeout=10) as client:
                (await client.post(url)).raise_for_status()
        except httpx.HTTPError as error:
            _log.warning(
                "Prometheus was not reloaded, trying again", url=url, reason=str(error)
            )
        else:
            self._stale = False

    async def _follow(self) -> None:
        while True:
            try:
                await self.write()
            except (SharedStateError, OSError) as error:
                _log.warning(
                    "the rules files cannot be written, trying again", reason=str(error)
                )
            await asyncio.sleep(SYNC_SECONDS)


class PrometheusRules:
    """A ``Monitor``: a row for each service, and a file in the folder of every worker.

    Args:
        database: With the tables of the workflows.
        folder: This worker's files.
        down_after: How long a service must be down until the alert fires, in seconds.
    """

    def __init__(
        self, database: Database, folder: RulesFolder, *, down_after: float = 60
    ) -> None:
        self._database = database
        self._folder = folder
        self._down_after = down_after

    async def set_up(self, request: MonitoringRequest) -> Monitoring:
        """Write a service's rules, if they are valid.

        Raises:
            RulesInvalidError: Prometheus would not load them; nothing was written.
            RunUndoneError: The rules of this key were removed; this attempt is too late.
        """
        contents = rules_for(request, down_after=self._down_after)
        try:
            rules = [rule for group in check(contents).groups for rule in group.rules]
        except ValueError as error:
            raise RulesInvalidError(f"the rules of {request.service}: {error}") from error
        text = f"# set up by {json.dumps(request.key)}\n" + yaml.safe_dump(
            contents, sort_keys=False, width=120
        )
        of = (request.environment, request.service)
        with shared_state_errors():
            async with self._database.transaction() as connection:
                await connection.execute(STATEMENTS["lock_rules"], *of)
                saved = await connection.fetchval(
                    STATEMENTS["save_rules"], *of, request.key, text
                )
        if saved is None:
            raise RunUndoneError(
                f"the rules of {request.key} were removed: they cannot be installed again"
            )
        await self._folder.write()
        return Monitoring(
            environment=request.environment,
            service=request.service,
            file=name_of(*of),
            records=tuple(rule.record for rule in rules if rule.record),
            alerts=tuple(rule.alert for rule in rules if rule.alert),
            sha256=sha256(text.encode()).hexdigest(),
        )

    async def remove(self, request: RemoveMonitoringRequest) -> MonitoringRemoved:
        """Remove a service's rules."""
        of = (request.environment, request.service)
        with shared_state_errors():
            async with self._database.transaction() as connection:
                await connection.execute(STATEMENTS["lock_rules"], *of)
                if request.key is not None:
                    await connection.execute(STATEMENTS["close_rules_key"], request.key)
                removed = await connection.fetchval(
                    STATEMENTS["delete_rules"], *of, request.key
                )
        await self._folder.write()
        return MonitoringRemoved(
            environment=request.environment,
            service=request.service,
            removed=removed is not None,
        )


def name_of(environment: str, service: str) -> str:
    """Return the name of a service's rules file."""
    # Names cannot contain an @.
    return f"{environment}@{service}{RULES}"


def _targets(rows: list[Row]) -> str:
    """Return the targets of Prometheus: the supervisors of the services that have rules."""
    targets = [
        {
            "targets": [f"{row['address']}:{row['control_port']}"],
            "labels": {"job": row["service"], "environment": row["environment"]},
        }
        for row in rows
        if row["control_port"] is not None
    ]
    return json.dumps(targets, indent=1) + "\n"
