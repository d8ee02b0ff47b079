"""The addresses of a stack's servers, and the file `stack.json`, in which other commands find them.

Every `ntbridge` command uses this module, so it imports nothing heavy.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from bridge.devstack import locks

STATE = ".ntbridge"  # default name of the state folder
STATE_VARIABLE = "NTBRIDGE_STATE"  # names another state folder
STACK_FILE = "stack.json"
LOCK_FILE = "lock"
PAYLOAD_VARIABLES = (
    "NTBRIDGE_TEMPORAL__PAYLOADS__STORE",
    "NTBRIDGE_WORKER_PAYLOADS__STORE",
)
"""The settings of daemon and workers for the store of large payloads."""


@dataclass(frozen=True, kw_only=True)
class Addresses:
    """The addresses of the servers of one stack.

    Attributes:
        nats_url: The URL for NATS clients.
        temporal_address: Host and port of the gRPC frontend.
        temporal_ui_url: The web interface.
        database_url: The DSN of the database `ntbridge`, with user and password.
        pids: Process ids by name of the part; `dev` is the parent process.
        routes: The routes file of the stack's daemon; empty if there is none.
        pages: The base URL of `/readyz`, `/status` and `/metrics` of daemon and worker, by program name; of the console, its
            own URL.
        payloads: The URL of the folder for large payloads; empty if there is none.
    """

    nats_url: str
    temporal_address: str
    temporal_ui_url: str
    database_url: str
    pids: dict[str, int] = field(default_factory=dict)
    routes: str = ""
    pages: dict[str, str] = field(default_factory=dict)
    payloads: str = ""

    def environment(self) -> dict[str, str]:
        """The environment variables from which this project's commands and others read these addresses."""
        stores = dict.fromkeys(PAYLOAD_VARIABLES, self.payloads) if self.payloads else {}
        return {
            "NATS_URL": self.nats_url,
            "TEMPORAL_ADDRESS": self.temporal_address,
            "DATABASE_URL": self.database_url,
            **stores,
        }


def write_stack(state: Path, addresses: Addresses) -> int:
    """Write `stack.json` atomically, readable by the owner only: it contains the database's password.

    Returns the locked descriptor of the file. The addresses are valid until it is closed, at the latest when the
    process ends. So the file of a killed stack can always be distinguished from that of a running one.
    """
    draft = state / f"{STACK_FILE}.tmp"
    draft.unlink(missing_ok=True)
    descriptor = locks.open_lock(draft)
    try:
        locks.take(descriptor)  # no other process knows the file yet
        os.write(descriptor, json.dumps(asdict(addresses), indent=2).encode() + b"\n")
        draft.replace(state / STACK_FILE)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def remove_stack(state: Path) -> None:
    """Remove `stack.json` if it exists."""
    (state / STACK_FILE).unlink(missing_ok=True)


def read_stack(state: Path) -> Addresses | None:
    """Return the addresses of the stack that runs in this state folder; None if none is ready."""
    # Safer than a process id, which may belong to another process by now.
    if not locks.is_taken(state / STACK_FILE):
        return None
    try:
        return Addresses(**json.loads((state / STACK_FILE).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def find_stack(folder: Path, environ: Mapping[str, str] = os.environ) -> Addresses | None:
    """Return the running stack of a folder or of its nearest parent that has one.

    If ``NTBRIDGE_STATE`` names a state folder, return the stack that runs in that folder.
    """
    if named := environ.get(STATE_VARIABLE):
        return read_stack(folder / named)
    for place in (folder, *folder.parents):
        addresses = read_stack(place / STATE)
        if addresses is not None:
            return addresses
    return None


def find_stopped(folder: Path, environ: Mapping[str, str] = os.environ) -> Path | None:
    """Return the state folder that commands would use here if no stack runs in it; else None.

    It is the folder that ``NTBRIDGE_STATE`` names, whether it exists or not; else the nearest existing one.
    """
    if find_stack(folder, environ) is not None:
        return None
    if named := environ.get(STATE_VARIABLE):
        return folder / named
    places = (place / STATE for place in (folder, *folder.parents))
    return next((state for state in places if (state / LOCK_FILE).is_file()), None)
