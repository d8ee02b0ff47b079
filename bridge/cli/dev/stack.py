"""The programs that ``ntbridge dev`` runs, and the events it shows."""

import json
import os
import sys
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

from bridge import samples
from bridge.cli.common import note
from bridge.cli.dev.flow import follow_events, show_sample
from bridge.daemon.setup import prepare
from bridge.devstack.addresses import Addresses
from bridge.devstack.child import Child
from bridge.devstack.stack import Program, says
from bridge.routes.loading import load_routes
from bridge.runtime.redaction import without_secrets
from bridge.runtime.terminal import print_text
from bridge.settings.schema import Settings
from bridge.settings.sources import Source, load

_ROUTES = Path("routes.yaml")
_STOP_WITHIN = "12"
"""Seconds; after Ctrl-C the stack kills a program that takes longer than 15."""
_DAEMON_READY = "daemon.ready"
_WORKER_READY = "worker ready"
_CONSOLE_READY = "console.listening"
_LISTENING = ('"event": "http.listening"', '"event": "console.listening"')
CONSOLE = "console"
"""The name of the console's program."""


def settings_for(addresses: Addresses) -> Settings:
    """Return settings for a stack alone; environment variables have no effect."""
    values = {
        "nats.url": addresses.nats_url,
        "temporal.address": addresses.temporal_address,
        "database.url": addresses.database_url,
    }
    return load([Source("the stack", values)]).settings


def checked_routes(named: Path | None) -> Path:
    """Return the routes file: the one given, that of this folder, or the sample.

    Raises:
        RoutesError: The file is wrong.
    """
    routes = (named or (_ROUTES if _ROUTES.exists() else samples.ROUTES)).resolve()
    load_routes(routes, namespaces=Settings().temporal.names)
    return routes


async def prepare_servers(addresses: Addresses) -> None:
    """Set up the servers of a stack, and print what was created."""
    settings = settings_for(addresses)
    prepared = await prepare(settings)
    if prepared.migrations:
        note(f"database migrated ({len(prepared.migrations)} steps)")
    if prepared.streams:
        note(f"NATS streams created: {', '.join(prepared.streams)}")
    if prepared.search_attributes:
        note(f"search attributes registered: {', '.join(prepared.search_attributes)}")


_WORKER = "NTBRIDGE_WORKER_"
_OF_THE_STACK = ("DATABASE_URL", "TEMPORAL", "CODEC", "PAYLOADS", "EVENTS_QUEUE", "STATE")
"""Settings of the worker by which it finds the servers and files of the stack."""
_OPTIONAL = frozenset({"REDIS_URL", "REDIS_URL_FILE"})
"""A server that the stack does not have."""


def programs(routes: Path, token_hash: str | None) -> list[Program]:
    """Return the programs of the stack: the daemon, a worker and the console.

    Args:
        routes: The routes file.
        token_hash: SHA-256 of the token with which the console lets an operator in; None: no console.
    """
    # The scripts beside the interpreter belong to the same installation.
    scripts = Path(sys.executable).parent
    found = [
        Program(
            name="daemon",
            argv=[str(scripts / "ntbridge"), "run"],
            env={
                "NTBRIDGE_ROUTES": str(routes),
                "NTBRIDGE_LOG__FORMAT": "json",
                "NTBRIDGE_STOP_WITHIN": _STOP_WITHIN,
            },
            ready=says(_DAEMON_READY),
            pages=_pages_of,
        ),
        Program(
            name="worker",
            argv=[str(scripts / "ntbridge-worker")],
            env={
                # Nothing of the stack runs on after it.
                "NTBRIDGE_WORKER_QINFRA__OUTLIVE": "false",
                **worker_settings(os.environ),
                "NTBRIDGE_WORKER_STOP_WITHIN": _STOP_WITHIN,
            },
            keeps_in="NTBRIDGE_WORKER_STATE",
            ready=says(_WORKER_READY),
            pages=_pages_of,
        ),
    ]
    return found if token_hash is None else [*found, _console(scripts, routes, token_hash)]


def _console(scripts: Path, routes: Path, token_hash: str) -> Program:
    return Program(
        name=CONSOLE,
        argv=[str(scripts / "ntbridge"), "console"],
        env={
            "NTBRIDGE_ROUTES": str(routes),
            "NTBRIDGE_LOG__FORMAT": "json",
            "NTBRIDGE_STOP_WITHIN": _STOP_WITHIN,
            "NTBRIDGE_CONSOLE__OPERATOR_SHA256": token_hash,
        },
        settings=lambda addresses: {"NTBRIDGE_CONSOLE__TEMPORAL_UI": addresses.temporal_ui_url},
        ready=says(_CONSOLE_READY),
        pages=_pages_of,
    )


def worker_settings(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the settings of the worker that an environment has, without addresses of servers.

    So a language model can be used with the stack. What names servers, or a folder of another
    worker, is left out: the stack has its own.
    """
    return {
        name: value
        for name, value in environ.items()
        if name in _OPTIONAL
        or (
            name.startswith(_WORKER)
            and not name.removeprefix(_WORKER).startswith(_OF_THE_STACK)
        )
    }


def _pages_of(child: Child) -> str:
    """Return the URL of a program's pages, from its log: it takes a free port."""
    for line in child.output().splitlines():
        if any(event in line for event in _LISTENING):
            return str(json.loads(line)["url"])
    return ""


def follower(*, sample: bool, once: bool, token: str) -> Callable[[Addresses], Awaitable[None]]:
    """Return a function that shows the events of a stack, until it stops or the sample ends."""

    async def follow(addresses: Addresses) -> None:
        _print_addresses(addresses, token)
        settings = settings_for(addresses)
        if sample:
            await show_sample(settings)
        if once:
            return
        note("running; events are shown as they are recorded; Ctrl-C stops everything")
        await follow_events(settings)

    return follow


def _print_addresses(addresses: Addresses, token: str) -> None:
    for name, where in (
        ("NATS", addresses.nats_url),
        ("Temporal", addresses.temporal_address),
        ("Temporal UI", addresses.temporal_ui_url),
        ("Postgres", without_secrets(addresses.database_url, keep_user=True)),
        *(
            (f"{name} pages", f"{url}/readyz")
            for name, url in addresses.pages.items()
            if name != CONSOLE
        ),
        *(
            ("console", f"{url}  (to act: token {token})")
            for name, url in addresses.pages.items()
            if name == CONSOLE
        ),
    ):
        print_text(f"  {name:<12} {where}")
