"""The environment variables that a child process gets."""

import os
from collections.abc import Iterable, Mapping

# Variables that name a server, a database or a setting of the bridge. If one is exported by chance, it must
# not decide where a stack or a test connects.
_PREFIXES = ("NATS_", "NTBRIDGE_", "PG", "TEMPORAL_")
_URLS = ("DATABASE_URL", "POSTGRES_URL", "REDIS_URL", "POSTGRES_USER", "POSTGRES_PASSWORD")
_NAMES = frozenset({"TASK_QUEUE", *_URLS, *(f"{name}_FILE" for name in _URLS)})

# The variables that servers get. Postgres, Go programs and their libraries read many others.
_SERVERS = ("PATH", "TZ", "LD_LIBRARY_PATH")


def foreign_settings(names: Iterable[str]) -> list[str]:
    """Return the variable names, of those given, that a stack or a test must not inherit."""
    return [name for name in names if name in _NAMES or name.startswith(_PREFIXES)]


def forget_foreign_settings() -> None:
    """Remove them from this process's environment; for a process that starts its own servers.

    Drivers read some of them even if an address is complete: asyncpg fails on an invalid PGPORT.
    """
    for name in foreign_settings(list(os.environ)):
        del os.environ[name]


def scrubbed(environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return the environment without variables that name a server or a setting; for the bridge's programs."""
    unwanted = set(foreign_settings(environ))
    return {name: value for name, value in environ.items() if name not in unwanted}


def for_servers(home: str, environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return a small environment for a server, with a home folder where it can write."""
    kept = {name: environ[name] for name in _SERVERS if name in environ}
    # USER: Temporal needs a user name, and a container's user may have none.
    return {**kept, "HOME": home, "TMPDIR": home, "USER": "ntbridge", "LC_ALL": "C.UTF-8"}
