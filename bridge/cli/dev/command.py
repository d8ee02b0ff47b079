"""``ntbridge dev``: everything on this machine."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from bridge.cli import exits
from bridge.cli.common import note
from bridge.cli.exits import Exit
from bridge.devstack.addresses import STATE, STATE_VARIABLE
from bridge.settings.schema import LogSettings


async def dev(
    *,
    state: Annotated[Path, Parameter(env_var=STATE_VARIABLE)] = Path(STATE),
    ephemeral: bool = False,
    routes: Path | None = None,
    sample: bool = False,
    once: bool = False,
) -> None:
    """Run NATS, Temporal, Postgres, the daemon and a worker on this machine until Ctrl-C.

    Everything is kept in one folder and is there again at the next start. Other commands run
    in this folder find the stack by themselves; elsewhere, or with another --state, they find it
    by NTBRIDGE_STATE in the environment.

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
    from bridge.cli.dev.stack import checked_routes, follower, prepare_servers, programs
    from bridge.devstack.stack import StackOptions, run_stack
    from bridge.settings.logging import configure

    if once and not sample:
        raise Exit(exits.USAGE, "--once goes with --sample")
    configure(LogSettings(level="warning"))
    file = checked_routes(routes)
    await run_stack(
        StackOptions(state=None if ephemeral else state, progress=note, routes=file),
        prepare=prepare_servers,
        programs=programs(file),
        follow=follower(sample=sample, once=once),
    )
