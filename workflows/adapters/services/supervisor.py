"""The supervisor of one service: a process that outlives the worker that started it.

It reads its orders from standard input, a line of JSON, and serves two ports: the service's, and a
control port with ``/metrics``, ``/status`` and, for who has the token, ``/start``, ``/switch``,
``/drop`` and ``/end``. It has no other state: a new one that gets the release in force again is as
good.

It ends if it gets no release in time. This happens if its worker was killed while it started the supervisor: the next
worker starts another supervisor if this one does not answer yet.
"""

import asyncio
import contextlib
import json
import os
import secrets
import signal
import sys
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, Final

import structlog
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from typing_extensions import override

from workflows.adapters.containment import Containment, Limits
from workflows.adapters.services.containers import ContainerLauncher
from workflows.adapters.services.front import METHODS, Front, ServiceMetrics
from workflows.adapters.services.instance import Instance
from workflows.adapters.services.launchers import CagedLauncher, Launcher, PlainLauncher
from workflows.adapters.services.local_http import local_client
from workflows.adapters.services.orders import SupervisorOrders

_log = structlog.get_logger(__name__)

_PROBE_EVERY: Final = 1.0
_MAX_PAUSE: Final = 5.0
"""Longest pause before the release in force is started again, in seconds."""
_DRAIN_SECONDS: Final = 5.0
_WATCH_EVERY: Final = 0.5
"""Seconds between two measurements of an instance's memory: it may run for months."""
_CONNECTIONS: Final = 200


class Supervisor:
    """Runs the instances of one service."""

    def __init__(self, orders: SupervisorOrders) -> None:
        self._orders = orders
        self._launcher = _launcher(orders)
        self._metrics = ServiceMetrics(orders.environment, orders.service)
        self._client = local_client(60, connections=_CONNECTIONS)
        self._front = Front(self._client, self._metrics)
        self._instances: dict[str, Instance] = {}
        self._changing = asyncio.Lock()
        self._ending = asyncio.Event()
        self._used = asyncio.Event()

    async def run(self) -> None:
        """Serve until it is told to end."""
        front = Starlette(
            routes=[Route("/{path:path}", self._front.answer, methods=list(METHODS))]
        )
        servers = [
            _server(front, self._orders.host, self._orders.port),
            _server(self._control(), self._orders.host, self._orders.control_port),
        ]
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._ending.set)
        await self._launcher.clean()
        serving = [asyncio.create_task(each.serve()) for each in servers]
        keeping = asyncio.create_task(self._keep())
        ending = asyncio.create_task(self._ending.wait())
        unused = asyncio.create_task(self._end_if_unused())
        await asyncio.wait([*serving, keeping, ending], return_when=asyncio.FIRST_COMPLETED)
        for task in (keeping, ending, unused):
            task.cancel()
        for server in servers:
            server.should_exit = True
        for instance in list(self._instances.values()):
            await instance.stop()
        await asyncio.gather(*serving, keeping, unused, return_exceptions=True)
        await self._client.aclose()

    def end(self) -> None:
        """Ask it to end."""
        self._ending.set()

    def _control(self) -> Starlette:
        async def metrics(_: Request) -> Response:
            return Response(self._metrics.text(), media_type="text/plain; version=0.0.4")

        def guarded(act: Callable[[Any], Awaitable[object]]) -> Callable[[Request], Any]:
            async def answer(request: Request) -> Response:
                token = request.headers.get("authorization", "").removeprefix("Bearer ")
                if not secrets.compare_digest(token.encode(), self._orders.token.encode()):
                    return JSONResponse({"error": "not permitted"}, 403)
                return JSONResponse(await act(json.loads(await request.body() or b"{}")))

            return answer

        return Starlette(
            routes=[
                Route("/metrics", metrics),
                Route("/status", guarded(self._status)),
                Route("/start", guarded(self._start), methods=["POST"]),
                Route("/switch", guarded(self._switch), methods=["POST"]),
                Route("/drop", guarded(self._drop), methods=["POST"]),
                Route("/end", guarded(self._end), methods=["POST"]),
            ]
        )

    async def _status(self, _: Any) -> object:
        current = self._front.instance
        return {
            "release": current.release if current else None,
            "serves": current.serves if current else "",
            "instances": sorted(self._instances),
        }

    async def _start(self, body: Any) -> object:
        """Run a candidate until it is healthy; one that is not healthy is ended."""
        self._used.set()
        async with self._changing:
            release = body["release"]
            instance = self._instances.get(release)
            if instance is None or await instance.unhealthy(self._client):
                if instance is not None:
                    await self._forget(instance)
                instance = Instance(release, body["files"], self._launcher)
                self._instances[release] = instance
                finding = await instance.start(self._client, self._orders.health_seconds)
                if finding:
                    await self._forget(instance)
                    return {"healthy": False, "finding": finding}
            return {"healthy": True, "address": instance.address, "serves": instance.serves}

    async def _switch(self, body: Any) -> object:
        """Forward to a release from now on; end the others when their requests are answered."""
        async with self._changing:
            instance = self._instances.get(body["release"])
            if instance is None:
                return {"switched": False}
            self._front.instance = instance
            self._metrics.up.set(1)
            for other in list(self._instances.values()):
                if other is not instance:
                    await self._drain(other)
            return {"switched": True, "serves": instance.serves}

    async def _drop(self, body: Any) -> object:
        async with self._changing:
            instance = self._instances.get(body["release"])
            if instance is not None and instance is not self._front.instance:
                await self._forget(instance)
            return {}

    async def _end(self, _: Any) -> object:
        self._ending.set()
        return {}

    async def _end_if_unused(self) -> None:
        try:
            async with asyncio.timeout(self._orders.unused_seconds):
                await self._used.wait()
        except TimeoutError:
            _log.warning("ends: it got no release", seconds=self._orders.unused_seconds)
            self._ending.set()

    async def _drain(self, instance: Instance) -> None:
        try:
            async with asyncio.timeout(_DRAIN_SECONDS):
                await instance.answered()
        except TimeoutError:
            _log.warning("requests are cut off", release=instance.release)
        await self._forget(instance)

    async def _forget(self, instance: Instance) -> None:
        if self._instances.get(instance.release) is instance:
            del self._instances[instance.release]
        if self._front.instance is instance:
            self._front.instance = None
        await instance.stop()

    async def _keep(self) -> None:
        """Ask the release in force for its health, and start it again when it has ended."""
        pause = 0.1
        while True:
            current = self._front.instance
            if current is None:
                self._metrics.up.set(0)
            elif current.ended.is_set():
                self._metrics.up.set(0)
                await asyncio.sleep(pause)
                pause = min(pause * 2, _MAX_PAUSE)
                await self._restart(current)
            else:
                unhealthy = await current.unhealthy(self._client)
                self._metrics.up.set(0 if unhealthy else 1)
                if not unhealthy:
                    pause = 0.1
            ended = asyncio.create_task(
                current.ended.wait() if current else asyncio.sleep(_PROBE_EVERY)
            )
            await asyncio.wait([ended], timeout=_PROBE_EVERY)
            ended.cancel()

    async def _restart(self, ended: Instance) -> None:
        async with self._changing:
            if self._front.instance is not ended:
                return
            self._metrics.restarts.inc()
            await ended.stop()
            again = Instance(ended.release, ended.files, self._launcher)
            self._instances[again.release] = again
            self._front.instance = again
            await again.start(self._client, self._orders.health_seconds)


def _launcher(orders: SupervisorOrders) -> Launcher:
    if orders.engine:
        service = f"{orders.environment}/{orders.service}"
        return ContainerLauncher(orders.engine, orders.image, service, memory=orders.memory)
    if orders.containment == "none":
        return PlainLauncher()
    return CagedLauncher(
        Containment(
            limits=Limits(cpu=-1, memory=orders.memory, watch_every=_WATCH_EVERY),
            required=orders.containment == "required",
            setting="NTBRIDGE_WORKER_QINFRA__CONTAINMENT",
        )
    )


class _Server(uvicorn.Server):
    """One of two servers of the process, which handles signals itself."""

    @override
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _server(app: Starlette, host: str, port: int) -> uvicorn.Server:
    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        log_config=None,
        access_log=False,
        lifespan="off",
        timeout_graceful_shutdown=1,
    )
    return _Server(config)


async def _supervise(orders: SupervisorOrders) -> None:
    supervisor = Supervisor(orders)
    if not orders.outlives:
        asyncio.get_running_loop().add_reader(sys.stdin.fileno(), supervisor.end)
    await supervisor.run()


def main() -> None:
    """Detach from the worker, and supervise."""
    orders = SupervisorOrders.model_validate_json(_first_line())
    if os.fork():
        os._exit(0)  # the worker waits for this one only
    os.setsid()
    asyncio.run(_supervise(orders))


def _first_line() -> bytes:
    line = bytearray()
    while not line.endswith(b"\n") and (byte := os.read(0, 1)):
        line += byte  # unbuffered: what follows is the end of the worker
    return bytes(line)


if __name__ == "__main__":
    main()
