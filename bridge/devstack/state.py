"""The state folder of a stack: its files, its lock and the last used ports."""

import json
import os
import secrets
import shutil
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Self

from bridge.devstack import addresses, locks
from bridge.errors import StackError


class StateFolder:
    """A state folder, locked for one stack while used as a context manager.

    Args:
        folder: Created, for the owner only, if it is missing.
        ephemeral: Whether to remove the folder at the end.
    """

    def __init__(self, folder: Path, *, ephemeral: bool = False) -> None:
        self.folder = folder.absolute()
        self._ephemeral = ephemeral
        self._lock: int | None = None
        self._announced: int | None = None

    @classmethod
    def temporary(cls) -> Self:
        """Return a new folder in the system's temporary folder, removed at the end."""
        return cls(Path(tempfile.mkdtemp(prefix="ntbridge-")), ephemeral=True)

    @property
    def logs(self) -> Path:
        """The folder of the servers' logs."""
        return self.folder / "log"

    def part(self, name: str) -> Path:
        """Return the folder of one part; create it if it is missing."""
        folder = self.folder / name
        folder.mkdir(mode=0o700, exist_ok=True)
        return folder

    def __enter__(self) -> Self:
        """Create and lock the folder.

        Raises:
            StackError: Another stack uses it, or it cannot be written.
        """
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.logs.mkdir(mode=0o700, exist_ok=True)
            lock = locks.open_lock(self.folder / addresses.LOCK_FILE)
        except OSError as error:
            raise StackError(
                f"The state folder {self.folder} cannot be used: {error}. Choose another with --state."
            ) from error
        if not locks.take(lock):
            holder = os.pread(lock, 20, 0).decode(errors="replace").strip()
            os.close(lock)
            raise StackError(
                f"A stack already uses {self.folder} (process {holder or 'unknown'}). "
                "Use that stack, stop it, or choose another folder with --state."
            )
        os.truncate(lock, 0)
        os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)
        self._lock = lock
        self.withdraw()  # a killed run left it
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Unlock the folder; remove it if it is ephemeral."""
        self.withdraw()
        if self._ephemeral:
            shutil.rmtree(self.folder, ignore_errors=True)
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def announce(self, found: addresses.Addresses) -> None:
        """Write `stack.json`, in which other commands find the stack until `withdraw` or the end."""
        self.withdraw()
        self._announced = addresses.write_stack(self.folder, found)

    def withdraw(self) -> None:
        """Remove `stack.json`."""
        addresses.remove_stack(self.folder)
        if self._announced is not None:
            os.close(self._announced)
            self._announced = None

    def last_ports(self) -> dict[str, int]:
        """Return the ports that the previous run stored with `remember_ports`; empty if there was none."""
        try:
            ports = json.loads(self._ports.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return {str(name): int(port) for name, port in ports.items()}

    def remember_ports(self, ports: dict[str, int]) -> None:
        """Store the ports for the next run."""
        draft = self._ports.with_suffix(".tmp")
        draft.write_text(json.dumps(ports), encoding="utf-8")
        draft.replace(self._ports)

    def secret(self, part: str, name: str) -> tuple[str, Path]:
        """Return the password and its file. It is generated once; only the owner can read the file."""
        path = self.part(part) / name
        if not path.exists():
            draft = path.with_suffix(".tmp")
            draft.unlink(missing_ok=True)
            draft.touch(mode=0o600)
            draft.write_text(secrets.token_urlsafe(24) + "\n", encoding="ascii")
            draft.replace(path)
        return path.read_text(encoding="ascii").strip(), path

    @property
    def _ports(self) -> Path:
        return self.folder / "ports.json"
