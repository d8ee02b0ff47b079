"""Where the servers of a stack are, and `stack.json`, by which other commands find them.

Imports nothing heavy: every `ntbridge` command looks here.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from bridge.devstack import locks

STATE = ".ntbridge"  # default name of the state folder
STATE_VARIABLE = "NTBRIDGE_STATE"  # names another one
STACK_FILE = "stack.json"
LOCK_FILE = "lock"


@dataclass(frozen=True, kw_only=True)
class Addresses:
    """Where the servers of one stack are.

    Attributes:
        nats_url: as NATS clients take it.
        temporal_address: host and port of the gRPC frontend.
        temporal_ui_url: the web interface, for people.
        database_url: DSN with user and password, of the database `ntbridge`.
        pids: process ids by name of the part; `dev` is the process that holds them all.
        routes: the routes file that the stack's daemon follows; empty when it has none.
        pages: where `/readyz`, `/status` and `/metrics` of the programs of ours are, by name of the program.
    """

    nats_url: str
    temporal_address: str
    temporal_ui_url: str
    database_url: str
    pids: dict[str, int] = field(default_factory=dict)
    routes: str = ""
    pages: dict[str, str] = field(default_factory=dict)

    def environment(self) -> dict[str, str]:
        """The variables by which the commands of this project and others take these addresses."""
        return {
            "NATS_URL": self.nats_url,
            "TEMPORAL_ADDRESS": self.temporal_address,
            "DATABASE_URL": self.database_url,
        }


def write_stack(state: Path, addresses: Addresses) -> int:
    """Write `stack.json`, readable for the owner only (it holds the database's password), all or nothing.

    Returns the descriptor of the file, locked: the addresses hold until it is closed, at the latest with the end of
    the process. So what a killed stack left behind is known from what its successor writes, at any moment.
    """
    draft = state / f"{STACK_FILE}.tmp"
    draft.unlink(missing_ok=True)
    descriptor = locks.open_lock(draft)
    try:
        locks.take(descriptor)  # nobody else knows the file yet
        os.write(descriptor, json.dumps(asdict(addresses), indent=2).encode() + b"\n")
        draft.replace(state / STACK_FILE)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def remove_stack(state: Path) -> None:
    """Remove `stack.json`, if it is there."""
    (state / STACK_FILE).unlink(missing_ok=True)


def read_stack(state: Path) -> Addresses | None:
    """The addresses of the stack that runs over this state folder; None when none runs, or not yet."""
    # Surer than a process id, which may belong to somebody else by now.
    if not locks.is_taken(state / STACK_FILE):
        return None
    try:
        return Addresses(**json.loads((state / STACK_FILE).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def find_stack(folder: Path, environ: Mapping[str, str] = os.environ) -> Addresses | None:
    """The running stack of a folder or of the nearest folder above it that has one.

    Where ``NTBRIDGE_STATE`` names a state folder, the stack that runs over that.
    """
    if named := environ.get(STATE_VARIABLE):
        return read_stack(folder / named)
    for place in (folder, *folder.parents):
        addresses = read_stack(place / STATE)
        if addresses is not None:
            return addresses
    return None


def find_stopped(folder: Path, environ: Mapping[str, str] = os.environ) -> Path | None:
    """The state folder that commands run here would look into, if no stack runs over it; else None.

    That is the one that ``NTBRIDGE_STATE`` names, there or not, else the nearest one that a stack has left behind.
    """
    if find_stack(folder, environ) is not None:
        return None
    if named := environ.get(STATE_VARIABLE):
        return folder / named
    places = (place / STATE for place in (folder, *folder.parents))
    return next((state for state in places if (state / LOCK_FILE).is_file()), None)
