"""``ntbridge dev``: everything on this machine."""

import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

from bridge import samples
from bridge.app import prepare
from bridge.cli import exits
from bridge.cli.common import note
from bridge.cli.exits import Exit
from bridge.cli.flow import follow_events, show_sample
from bridge.config import LogSettings, Settings, Source, load
from bridge.devstack.addresses import STATE, Addresses
from bridge.devstack.stack import Program, StackOptions, run_stack, says
from bridge.logs import configure
from bridge.routes.loading import load_routes

_ROUTES = Path("routes.yaml")
_DAEMON_READY = "daemon.ready"
_WORKER_READY = "worker ready"


async def dev(
    *,
    state: Path = Path(STATE),
    ephemeral: bool = False,
    routes: Path | None = None,
    sample: bool = False,
    once: bool = False,
) -> None:
    """Run NATS, Temporal, Postgres, the daemon and a worker on this machine until Ctrl-C.

    Everything is kept in one folder and is there again at the next start. Other commands run
    in this folder find the stack by themselves.

    Parameters
    ----------
    state:
        Folder for the servers' data, logs and addresses (stack.json).
    ephemeral:
        Use a temporary folder instead, and remove it at the end.
    routes:
        Routes file; by default routes.yaml in this folder, else the sample routes.
    sample:
        Publish a sample event and show its way to the result.
    once:
        With --sample: stop when the result has arrived; exit 0 if the pipeline completed.
    """
    if once and not sample:
        raise Exit(exits.USAGE, "--once goes with --sample")
    configure(LogSettings(level="warning"))
    await run_stack(
        StackOptions(state=None if ephemeral else state, progress=note),
        prepare=_prepare,
        programs=_programs(_checked_routes(routes)),
        follow=_follower(sample=sample, once=once),
    )


def settings_for(addresses: Addresses) -> Settings:
    """Return settings that lead to a stack and nowhere else, whatever is exported."""
    values = {
        "nats.url": addresses.nats_url,
        "temporal.address": addresses.temporal_address,
        "database.url": addresses.database_url,
    }
    return load([Source("the stack", values)]).settings


def _checked_routes(named: Path | None) -> Path:
    routes = (named or (_ROUTES if _ROUTES.exists() else samples.ROUTES)).resolve()
    load_routes(routes)
    return routes


async def _prepare(addresses: Addresses) -> None:
    settings = settings_for(addresses)
    configure(settings.log)
    prepared = await prepare(settings)
    made = [*prepared.migrations, *prepared.streams, *prepared.search_attributes]
    note(
        f"made {', '.join(made)}" if made else "schema, streams and search attributes are there"
    )


def _programs(routes: Path) -> list[Program]:
    # Beside the interpreter, so that the stack runs the very installation it belongs to.
    scripts = Path(sys.executable).parent
    return [
        Program(
            name="daemon",
            argv=[str(scripts / "ntbridge"), "run"],
            env={"NTBRIDGE_ROUTES": str(routes), "NTBRIDGE_LOG__FORMAT": "json"},
            ready=says(_DAEMON_READY),
        ),
        Program(
            name="worker",
            argv=[str(scripts / "ntbridge-worker")],
            ready=says(_WORKER_READY),
        ),
    ]


def _follower(*, sample: bool, once: bool) -> Callable[[Addresses], Awaitable[None]]:
    async def follow(addresses: Addresses) -> None:
        _print_addresses(addresses)
        settings = settings_for(addresses)
        if sample:
            await show_sample(settings)
        if once:
            return
        note("up; events are shown as they pass, Ctrl-C stops everything")
        await follow_events(settings)

    return follow


def _print_addresses(addresses: Addresses) -> None:
    for name, where in (
        ("NATS", addresses.nats_url),
        ("Temporal", addresses.temporal_address),
        ("Temporal UI", addresses.temporal_ui_url),
        ("Postgres", addresses.database_url),
    ):
        print(f"  {name:<12} {where}", flush=True)
