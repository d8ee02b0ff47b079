"""The runner of releases: a port, the one that runs processes, and the one that runs nothing."""

import asyncio
import os
import secrets
import socket
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from workflows.adapters.processes import passed_on
from workflows.adapters.services.containers import ENGINE_VARIABLES
from workflows.adapters.services.control import Control
from workflows.adapters.services.orders import SupervisorOrders
from workflows.adapters.shared.locks import LockedSession
from workflows.errors import ToolFailedError, WrongMachineError

Service = tuple[str, str]
"""An environment and a service in it."""

_PASSED_ON: Final = (
    *("PATH", "LANG", "LC_ALL", "TMPDIR", "PYTHONPATH"),
    *ENGINE_VARIABLES,
)
_TRIES: Final = 3
_START_SECONDS: Final = 60.0
_ASK_EVERY: Final = 0.1


@dataclass(frozen=True)
class Trial:
    """How a candidate came up.

    ``finding`` says why it is not healthy. ``address`` is its own, None if it was not started.
    """

    finding: str = ""
    address: str | None = None
    serves: str = ""


class Runner(Protocol):
    """Runs releases. The caller holds the lock of the service; all methods are safe to repeat."""

    async def try_out(
        self, session: LockedSession, service: Service, release: str, files: Mapping[str, str]
    ) -> Trial:
        """Run a release beside the one in force, and wait until it is healthy.

        Raises:
            WrongMachineError: The service runs on another machine.
            ToolFailedError: The supervisor cannot be started.
        """

    async def put_in_force(
        self, session: LockedSession, service: Service, release: str, files: Mapping[str, str]
    ) -> str | None:
        """Let clients reach this release from now on; end all others. Return the address.

        Raises:
            WrongMachineError: The service runs on another machine.
            ToolFailedError: The release cannot be started.
        """

    async def drop(self, session: LockedSession, service: Service, release: str) -> None:
        """End a release that is not in force."""

    async def end(self, session: LockedSession, service: Service) -> None:
        """End the service, with all its releases."""


class NoRunner:
    """A ``Runner`` that starts nothing: what runs the releases reads their records."""

    async def try_out(self, *_: object) -> Trial:
        """Start nothing."""
        return Trial()

    async def put_in_force(self, *_: object) -> str | None:
        """Start nothing; there is no address."""
        return None

    async def drop(self, *_: object) -> None:
        """There is nothing to end."""

    async def end(self, *_: object) -> None:
        """There is nothing to end."""


@dataclass(frozen=True, kw_only=True)
class RunnerSettings:
    """How services run on this machine.

    Attributes:
        machine: Its name; only workers with this name control its services.
        host: The address on which services listen.
        address: The name or address under which others reach them.
        folder: Where supervisors write their logs.
        containment: ``required``, ``best-effort`` or ``none``.
        health_seconds: How long a release may take until it is healthy.
        memory: Limit of the memory of a release, in bytes.
        outlives: Whether services outlive the worker that started their supervisor.
        engine: The program that runs containers, with its flags; empty: releases are processes.
        image: The base image of containers.
    """

    machine: str
    host: str
    address: str
    folder: Path
    containment: str
    health_seconds: float
    memory: int
    outlives: bool = True
    engine: tuple[str, ...] = ()
    image: str = ""


class ProcessRunner:
    """A ``Runner`` on this machine: a supervisor for each service."""

    def __init__(self, settings: RunnerSettings) -> None:
        self._settings = settings
        self._lifelines: list[subprocess.Popen[bytes]] = []

    async def try_out(
        self, session: LockedSession, service: Service, release: str, files: Mapping[str, str]
    ) -> Trial:
        """Start a candidate."""
        control = await self._ensured(session, service)
        started = await control.ask("start", {"release": release, "files": dict(files)})
        if not started["healthy"]:
            return Trial(finding=started["finding"])
        return Trial(address=started["address"], serves=started["serves"])

    async def put_in_force(
        self, session: LockedSession, service: Service, release: str, files: Mapping[str, str]
    ) -> str | None:
        """Start a release, unless it runs, and forward to it."""
        control = await self._ensured(session, service)
        started = await control.ask("start", {"release": release, "files": dict(files)})
        if not started["healthy"]:
            raise ToolFailedError(
                f"release {release} of {service[1]} cannot be started: {started['finding']}"
            )
        await control.ask("switch", {"release": release})
        return control.url

    async def drop(self, session: LockedSession, service: Service, release: str) -> None:
        """End an instance."""
        control = await self._found(session, service)
        if control is not None:
            await control.ask("drop", {"release": release})

    async def end(self, session: LockedSession, service: Service) -> None:
        """End the supervisor."""
        control = await self._found(session, service)
        if control is not None:
            await control.ask("end", {})
        await session.execute("forget_place", *service)

    async def start(self) -> None:
        """Start nothing: a supervisor is started with the first release of its service."""

    async def stop(self) -> None:
        """End the supervisors that do not outlive this worker."""
        for process in self._lifelines:
            if process.stdin is not None:
                process.stdin.close()
        self._lifelines.clear()

    async def _found(self, session: LockedSession, service: Service) -> Control | None:
        """Return the control of the service's supervisor, if it answers."""
        rows = await session.fetch("service", *service)
        control = Control.of(rows[0], self._settings.host) if rows else None
        if control is None:
            return None
        if control.machine != self._settings.machine:
            raise WrongMachineError(
                f"{service[1]} in {service[0]} runs on {control.machine}, and this worker is on "
                f"{self._settings.machine}: the local deployer serves one machine. Run the module "
                "qinfra there, or, if that machine is gone, set "
                f"NTBRIDGE_WORKER_QINFRA__MACHINE={control.machine} here"
            )
        if await control.answers():
            return control
        # A busy one must not be replaced while it lives: its port would stay taken.
        if not _is_free(self._settings.host, control.control_port) and await self._up(control):
            return control
        return None

    async def _ensured(self, session: LockedSession, service: Service) -> Control:
        control = await self._found(session, service)
        if control is not None:
            return control
        rows = await session.fetch("service", *service)
        taken = await session.fetch("ports_of_machine", self._settings.machine)
        used = {port for row in taken for port in row}
        wanted = rows[0]["port"] if rows else None
        for _ in range(_TRIES):
            host = self._settings.host
            free = wanted is not None and _is_free(host, wanted)
            port = wanted if wanted is not None and free else _free(host, used)
            control = Control(
                machine=self._settings.machine,
                address=self._settings.address,
                host=host,
                port=port,
                control_port=_free(host, {*used, port}),
                token=secrets.token_urlsafe(24),
            )
            # The row first: it leads the next worker to the supervisor.
            await session.execute(
                "place_service",
                *service,
                control.machine,
                control.address,
                control.port,
                control.control_port,
                control.token,
            )
            await asyncio.to_thread(self._spawn, service, control)
            if await self._up(control):
                return control
            wanted = None  # another program may have taken it meanwhile
        raise ToolFailedError(
            f"the supervisor of {service[1]} in {service[0]} cannot be started: see "
            f"{self._log_of(service)}"
        )

    async def _up(self, control: Control) -> bool:
        try:
            async with asyncio.timeout(_START_SECONDS):
                while not await control.answers():  # noqa: ASYNC110 - a process
                    await asyncio.sleep(_ASK_EVERY)
        except TimeoutError:
            return False
        return True

    def _spawn(self, service: Service, control: Control) -> None:
        orders = SupervisorOrders(
            environment=service[0],
            service=service[1],
            host=control.host,
            port=control.port,
            control_port=control.control_port,
            token=control.token,
            containment=self._settings.containment,
            health_seconds=self._settings.health_seconds,
            memory=self._settings.memory,
            outlives=self._settings.outlives,
            engine=self._settings.engine,
            image=self._settings.image,
        )
        log = self._log_of(service)
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", "workflows.adapters.services.supervisor"],
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=output,
                cwd="/",
                env=passed_on(_PASSED_ON),
                start_new_session=True,
            )
        if process.stdin is not None:
            process.stdin.write(orders.model_dump_json().encode() + b"\n")
            process.stdin.flush()
            if self._settings.outlives:
                process.stdin.close()
        process.wait()  # it has detached
        if not self._settings.outlives:
            self._lifelines.append(process)  # its input is closed when this worker ends

    def _log_of(self, service: Service) -> Path:
        return self._settings.folder / f"{service[0]}@{service[1]}.log"


def _free(host: str, used: set[int]) -> int:
    """Return a port that no program and no service has."""
    while True:
        with socket.create_server((host, 0)) as probe:
            port: int = probe.getsockname()[1]
        if port not in used:
            return port


def _is_free(host: str, port: int) -> bool:
    try:
        with socket.create_server((host, port)):
            return True
    except OSError:
        return False


def this_machine() -> str:
    """Return a name of this machine that others do not have."""
    try:
        identity = Path("/etc/machine-id").read_text(encoding="ascii").strip()[:8]
    except OSError:
        identity = ""
    host = os.uname().nodename
    return f"{host}/{identity}" if identity else host
