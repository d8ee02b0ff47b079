"""What of our environment a child process may see."""

import os
from collections.abc import Iterable, Mapping

# Variables that name a server, a database or a setting of ours. One that happens to be exported must not
# decide where a stack or a test connects to.
_PREFIXES = ("NATS_", "NTBRIDGE_", "PG", "TEMPORAL_")
_NAMES = frozenset({"DATABASE_URL", "DATABASE_URL_FILE"})

# What the servers get: they need no more, and Postgres, Go programs and their libraries read a lot.
_SERVERS = ("PATH", "TZ", "LD_LIBRARY_PATH")


def foreign_settings(names: Iterable[str]) -> list[str]:
    """Of these variable names, those that a stack or a test must not inherit."""
    return [name for name in names if name in _NAMES or name.startswith(_PREFIXES)]


def forget_foreign_settings() -> None:
    """Remove them from our own environment, for a process that makes its servers itself.

    Drivers read some of them even when an address leaves nothing open: asyncpg fails on a strange PGPORT.
    """
    for name in foreign_settings(list(os.environ)):
        del os.environ[name]


def scrubbed(environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """The environment without variables that name a server or a setting: for our own programs."""
    unwanted = set(foreign_settings(environ))
    return {name: value for name, value in environ.items() if name not in unwanted}


def for_servers(home: str, environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """A small environment for a server, with its home folder where it may write."""
    kept = {name: environ[name] for name in _SERVERS if name in environ}
    # USER: Temporal asks for a name, and a user of a container may have none.
    return {**kept, "HOME": home, "TMPDIR": home, "USER": "ntbridge", "LC_ALL": "C.UTF-8"}
