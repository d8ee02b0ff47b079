"""Finds the settings: flags, environment, files, and the stack running in this folder."""

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
    from_profile,
)
from bridge.settings.sources import load as combine

STACK = "the stack running in this folder"
"""The label of that source."""

ADDRESSES = ("nats.url", "temporal.address", "database.url")
"""The settings with the addresses of the servers."""

NO_FLAGS = from_flags({})


def load(flags: Source = NO_FLAGS, config: Path | None = None) -> tuple[Loaded, Source]:
    """Combine all sources, and return the settings with those of the running stack.

    Args:
        flags: The flags of a command line.
        config: A settings file; default: the one in ``NTBRIDGE_CONFIG``, or
            ``ntbridge.yaml``.

    Raises:
        SettingsError: A setting is wrong; the message says which and why.
    """
    named = os.environ.get("NTBRIDGE_CONFIG")
    path = config or (Path(named) if named else None)
    stack = _stack()
    sources = [flags, from_environment(os.environ), from_file(path)]
    return combine([*sources, _profile([*sources, stack]), stack]), stack


def require_servers(loaded: Loaded) -> None:
    """Refuse the default addresses where a stack exists but does not run.

    Another server may listen at the default addresses.

    Raises:
        SettingsError: ``NTBRIDGE_STATE`` or this folder has a stack that does not run, and the
            addresses are not set elsewhere.
    """
    unset = [key for key in ADDRESSES if key not in loaded.origins]
    named = os.environ.get(STATE_VARIABLE)
    # A user who sets one address in the folder of a stack does not want its servers.
    if not unset or (not named and len(unset) < len(ADDRESSES)):
        return
    state = find_stopped(Path.cwd())
    if state is None:
        return
    why = f" ({STATE_VARIABLE})" if named else ""
    raise SettingsError(
        f"no stack runs in {state}{why}, or it is not ready yet, and {', '.join(unset)} "
        f"{'is' if len(unset) == 1 else 'are'} not set elsewhere: start it with 'ntbridge dev', "
        "or set the addresses (NATS_URL, TEMPORAL_ADDRESS, DATABASE_URL)"
    )


def _profile(sources: list[Source]) -> Source:
    """Return the profile of ``temporal.toml``; see `temporal_config.profile_for`."""
    given = {
        key.removeprefix("temporal."): value
        for each in reversed(sources)
        for key, value in each.values.items()
        if key.startswith("temporal.")
    }
    return from_profile(given)


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
            **({"temporal.payloads.store": addresses.payloads} if addresses.payloads else {}),
        },
    )
