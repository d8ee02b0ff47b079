"""Where the servers are: flags, the environment, a file, and a stack running in this folder."""

import os
from pathlib import Path

from bridge.devstack.addresses import STATE_VARIABLE, find_stack, find_stopped
from bridge.errors import SettingsError
from bridge.settings.sources import (
    Loaded,
    Source,
    from_environment,
    from_file,
    from_flags,
)
from bridge.settings.sources import load as combine

STACK = "the stack running in this folder"
"""The label of the last source."""

ADDRESSES = ("nats.url", "temporal.address", "database.url")
"""The settings that say where the servers are."""

NO_FLAGS = from_flags({})


def load(flags: Source = NO_FLAGS, config: Path | None = None) -> tuple[Loaded, Source]:
    """Combine what is said in all places, and return it with what the running stack says.

    Args:
        flags: What was given on a command line.
        config: A settings file; default is the one that ``NTBRIDGE_CONFIG`` names, or
            ``ntbridge.yaml``.

    Raises:
        SettingsError: One of them is wrong; the message says which and why.
    """
    named = os.environ.get("NTBRIDGE_CONFIG")
    path = config or (Path(named) if named else None)
    stack = _stack()
    return combine([flags, from_environment(os.environ), from_file(path), stack]), stack


def require_servers(loaded: Loaded) -> None:
    """Refuse to use the default addresses in the place of a stack that is not running.

    What listens there is somebody else's server.

    Raises:
        SettingsError: ``NTBRIDGE_STATE`` names a stack that is not running, or this folder has one,
            and servers are not named elsewhere.
    """
    unset = [key for key in ADDRESSES if key not in loaded.origins]
    named = os.environ.get(STATE_VARIABLE)
    # Who names one server in the folder of a stack means to use others than its.
    if not unset or (not named and len(unset) < len(ADDRESSES)):
        return
    state = find_stopped(Path.cwd())
    if state is None:
        return
    why = f" ({STATE_VARIABLE})" if named else ""
    raise SettingsError(
        f"no stack is running over {state}{why}, or it is not ready yet, and {', '.join(unset)} "
        f"{'is' if len(unset) == 1 else 'are'} not set elsewhere: start it with 'ntbridge dev', "
        "or name the servers (NATS_URL, TEMPORAL_ADDRESS, DATABASE_URL)"
    )


def _stack() -> Source:
    addresses = find_stack(Path.cwd())
    if addresses is None:
        return Source(STACK, {})
    return Source(
        STACK,
        {
            "nats.url": addresses.nats_url,
            "temporal.address": addresses.temporal_address,
            "database.url": addresses.database_url,
            **({"routes": addresses.routes} if addresses.routes else {}),
        },
    )
