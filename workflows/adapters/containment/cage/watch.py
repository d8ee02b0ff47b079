"""Limits of all processes of a cage together, which no kernel limit of a process covers.

The watch reads ``/proc`` every ``INTERVAL`` seconds. Between two readings only
the limits of the single processes apply. (A cgroup would need a subtree delegated to the
worker; few machines and no ordinary container give it one.)
"""

import os
import signal
from stat import S_ISREG
from typing import Final

INTERVAL: Final = 0.02
"""Seconds."""

_PAGE: Final = os.sysconf("SC_PAGE_SIZE")
_SOCKET: Final = 208 * 1024
"""Bytes that the kernel queues for a socket (``net.core.wmem_max``)."""
_PIPE: Final = 64 * 1024
_INODE: Final = 4096
"""Minimum bytes of a file or folder."""
_PARENT_FIELD: Final = 1
_THREADS_FIELD: Final = 17


class ProcessWatch:
    """The processes below this one.

    It keeps ``/proc`` open, since the cage's own root has none.

    Args:
        memory: Bytes that all of them may use together.
        processes: Limit of their number, including threads.
        folder: The folder of the host that they use; empty if it has its own size limit.
        disk: Limit of its size in bytes.
        ignored: The number of the cage's own processes.
    """

    def __init__(
        self, *, memory: int, processes: int, folder: str, disk: int, ignored: int
    ) -> None:
        self._memory = memory
        self._processes = processes + ignored
        self._folder = folder
        self._disk = disk
        self._proc = os.open("/proc", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self._self = int(os.readlink("self", dir_fd=self._proc))
        self._members: set[str] = set()
        self._strangers: set[str] = set()

    def exceeded(self) -> str:
        """Return the limit that the processes exceed; empty for none."""
        members = self._find()
        threads = sum(self._threads(process) for process in members)
        if threads > self._processes:
            return f"it ran more than {self._processes} processes and threads"
        if self._taken(members) > self._memory:
            return f"all its processes together took more than {self._memory} bytes of memory"
        try:
            if self._folder and self._written(members) > self._disk:
                return f"it wrote more than {self._disk} bytes of files"
        except OSError as error:
            return f"its files cannot be measured: {error}"
        return ""

    def kill(self) -> bool:
        """Kill all of them that are found; return whether there were any."""
        members = self._find()
        for process in members:
            try:
                os.kill(int(process), signal.SIGKILL)
            except ProcessLookupError:
                continue
        return bool(members)

    def _find(self) -> set[str]:
        """Return the descendants; a known one stays in the list, others are never added."""
        there = {name for name in _names(self._proc) if name.isdigit()}
        self._members &= there
        self._strangers &= there
        parents = {
            process: str(stat[_PARENT_FIELD])
            for process in there - self._members - self._strangers
            if (stat := self._stat(process))
        }
        known = -1
        while len(self._members) > known:
            known = len(self._members)
            self._members |= {
                process
                for process, parent in parents.items()
                if parent in self._members or parent == str(self._self)
            }
        self._strangers |= {
            process
            for process, parent in parents.items()
            if process not in self._members and parent in self._strangers | {"0"}
        }
        return self._members

    def _stat(self, process: str) -> list[str]:
        # The name of the program, in parentheses, may itself have spaces and parentheses.
        return self._read(process, "stat").rpartition(")")[2].split()

    def _threads(self, process: str) -> int:
        stat = self._stat(process)
        return int(stat[_THREADS_FIELD]) if stat and stat[0] != "Z" else 0

    def _taken(self, members: set[str]) -> int:
        queued = self._queued(members)
        resident = sum(self._resident(process) for process in members)
        if resident + queued <= self._memory:
            return resident + queued
        # Forks share pages, and each counts them all: so measure exactly, which is slow.
        return queued + sum(self._share(process) for process in members)

    def _resident(self, process: str) -> int:
        pages = self._read(process, "statm").split()
        return int(pages[1]) * _PAGE if pages else 0

    def _share(self, process: str) -> int:
        """Return a process's own pages and its share of shared ones, without files."""
        lines = [line.split() for line in self._read(process, "smaps_rollup").splitlines()]
        kinds = {"Pss_Anon:", "Pss_Shmem:"}
        sizes = [int(line[1]) * 1024 for line in lines if line and line[0] in kinds]
        return sum(sizes) if sizes else self._resident(process)

    def _queued(self, members: set[str]) -> int:
        """Return what the kernel may hold in the pipes and sockets of the processes."""
        open_files = {
            target
            for process in members
            for name in self._list(f"{process}/fd")
            if (target := self._target(f"{process}/fd/{name}"))
        }
        sockets = sum(target.startswith("socket:") for target in open_files)
        pipes = sum(target.startswith("pipe:") for target in open_files)
        return sockets * _SOCKET + pipes * _PIPE

    def _written(self, members: set[str]) -> int:
        """Return the size of the folder, and of deleted files of it that are still open."""
        sizes = _sizes_below(self._folder)
        for process in members:
            for name in self._list(f"{process}/fd"):
                path = f"{process}/fd/{name}"
                if not self._target(path).endswith(" (deleted)"):
                    continue
                try:
                    status = os.stat(path, dir_fd=self._proc)
                except FileNotFoundError:
                    continue  # it has been closed
                if S_ISREG(status.st_mode):
                    sizes[status.st_dev, status.st_ino] = _size(status)
        return sum(sizes.values())

    def _list(self, path: str) -> list[str]:
        try:
            folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY, dir_fd=self._proc)
        except OSError:
            return []  # the process has ended
        try:
            return _names(folder)
        except OSError:
            return []
        finally:
            os.close(folder)

    def _target(self, path: str) -> str:
        try:
            return os.readlink(path, dir_fd=self._proc)
        except OSError:
            return ""

    def _read(self, process: str, name: str) -> str:
        try:
            file = os.open(f"{process}/{name}", os.O_RDONLY, dir_fd=self._proc)
        except OSError:
            return ""  # the process has ended
        try:
            return os.read(file, 2**14).decode(errors="replace")
        except OSError:
            return ""
        finally:
            os.close(file)


def _names(folder: int) -> list[str]:
    with os.scandir(folder) as entries:
        return [entry.name for entry in entries]


def _sizes_below(folder: str) -> dict[tuple[int, int], int]:
    """Return the sizes of all files and folders below, by device and inode.

    Raises:
        OSError: A folder cannot be read: no permission, or too deep.
    """
    sizes = {}
    folders = [folder]
    while folders:
        above = folders.pop()
        try:
            entries = list(os.scandir(above))
        except FileNotFoundError:
            continue  # it has been removed
        for entry in entries:
            try:
                status = entry.stat(follow_symlinks=False)
            except FileNotFoundError:
                continue
            sizes[status.st_dev, status.st_ino] = _size(status)
            if entry.is_dir(follow_symlinks=False):
                folders.append(entry.path)
    return sizes


def _size(status: os.stat_result) -> int:
    return max(status.st_blocks * 512, _INODE)
