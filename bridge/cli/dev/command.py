"""``ntbridge dev``: runs the whole system on this machine."""

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

    All data is in one folder and is kept for the next start. Other commands find the stack when
    they run in this folder. Elsewhere, or with another --state, set NTBRIDGE_STATE for them.

    Parameters
    ----------
    state:
        Folder for the data, logs and addresses (stack.json) of the servers.
    ephemeral:
        Use a temporary folder, and remove it at the end.
    routes:
        Routes file. Default: routes.yaml in this folder, else the sample routes.
    sample:
        Publish a sample event and show each hop to the result.
    once:
        With --sample: stop when the result arrives; exit 0 if the pipeline completed.
    """
    from bridge.cli.dev.stack import checked_routes, follower, prepare_servers, programs
    from bridge.console.tokens import new_token
    from bridge.devstack.stack import StackOptions, run_stack
    from bridge.settings.logging import configure

    if once and not sample:
        raise Exit(exits.USAGE, "--once needs --sample")
    configure(LogSettings(level="warning"))
    file = checked_routes(routes)
    token, entry = new_token("operator", "operator")
    await run_stack(
        StackOptions(state=None if ephemeral else state, progress=note, routes=file),
        prepare=prepare_servers,
        programs=programs(file, None if once else entry.sha256),
        follow=follower(sample=sample, once=once, token=token),
    )
