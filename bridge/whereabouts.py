"""Where the servers are: flags, the environment, a file, and a stack running in this folder."""

import os
from pathlib import Path

from bridge.devstack.addresses import find_stack
from bridge.origins import Loaded, Source, from_environment, from_file, from_flags
from bridge.origins import load as combine

STACK = "the stack running in this folder"
"""The label of the last source."""

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
