"""Rules files in a folder that Prometheus reads: a ``Monitor``."""

import json
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import TypeVar

import yaml

from workflows.adapters.local import files
from workflows.adapters.local.files import Stop
from workflows.adapters.prometheus.rules import rules_for
from workflows.adapters.prometheus.validity import check
from workflows.errors import RulesInvalidError, RunUndoneError
from workflows.messages.monitoring import (
    Monitoring,
    MonitoringRemoved,
    MonitoringRequest,
    RemoveMonitoringRequest,
)

Result = TypeVar("Result")


class PrometheusRules:
    """A ``Monitor``: one file for each service, replaced in one step.

    The file's first line names the key under which it was written. Keys whose rules were removed
    are kept beside the files.

    Args:
        folder: Prometheus' ``rule_files`` must have ``<folder>/*.rules.yml``; created if missing.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def set_up(self, request: MonitoringRequest) -> Monitoring:
        """Write a service's rules, if they are valid.

        Raises:
            RulesInvalidError: Prometheus would not load them; nothing was written.
            RunUndoneError: The rules of this key were removed; this attempt is too late.
        """
        contents = rules_for(request)
        try:
            rules = [rule for group in check(contents).groups for rule in group.rules]
        except ValueError as error:
            raise RulesInvalidError(f"the rules of {request.service}: {error}") from error
        text = yaml.safe_dump(contents, sort_keys=False, width=120).encode()
        path = self._file(request.environment, request.service)
        closed = self._closed(request.key)

        def write() -> None:
            if closed.exists():
                raise RunUndoneError(
                    f"the rules of {request.key} were removed: they cannot be installed again"
                )
            files.write(path, _first_line(request.key) + text)

        await self._under_lock(write)
        return Monitoring(
            environment=request.environment,
            service=request.service,
            file=path.name,
            records=tuple(rule.record for rule in rules if rule.record),
            alerts=tuple(rule.alert for rule in rules if rule.alert),
            sha256=sha256(text).hexdigest(),
        )

    async def remove(self, request: RemoveMonitoringRequest) -> MonitoringRemoved:
        """Remove a service's rules."""
        path = self._file(request.environment, request.service)

        def remove() -> bool:
            if request.key is None:
                return files.remove(path)
            files.write(self._closed(request.key), request.key.encode())
            theirs = path.exists() and path.read_bytes().startswith(_first_line(request.key))
            return theirs and files.remove(path)

        removed = await self._under_lock(remove)
        return MonitoringRemoved(
            environment=request.environment, service=request.service, removed=removed
        )

    async def _under_lock(self, work: Callable[[], Result]) -> Result:
        def locked(stop: Stop) -> Result:
            with files.locked(self._folder / ".lock", stop):
                return work()

        return await files.in_thread(locked)

    def _file(self, environment: str, service: str) -> Path:
        # Names cannot contain an @.
        return self._folder / f"{environment}@{service}.rules.yml"

    def _closed(self, key: str) -> Path:
        return self._folder / ".closed" / sha256(key.encode()).hexdigest()


def _first_line(key: str) -> bytes:
    return f"# set up by {json.dumps(key)}\n".encode()
