"""A root file system that has only what the program needs."""

import ctypes
import os
from pathlib import Path
from typing import Final

from .kernel import call

_MS_BIND, _MS_REC, _MS_PRIVATE = 4096, 16384, 1 << 18
_MS_NOSUID, _MS_NODEV = 2, 4
_MNT_DETACH: Final = 2
_AT_FDCWD, _AT_RECURSIVE = -100, 0x8000
_READ_ONLY: Final = 1 | 2 | 4  # MOUNT_ATTR_RDONLY, _NOSUID, _NODEV
_PIVOT_ROOT: Final = {"x86_64": 155, "aarch64": 41}
_MOUNT_SETATTR: Final = 442  # one number on every architecture


def build_root(readable: list[str], folder: str, disk: int) -> None:
    """Mount a root that holds the readable folders and ``folder``, and change to it.

    Args:
        readable: Folders of the host, bound read-only.
        folder: The only writable folder, on a file system in memory.
        disk: The size of ``folder`` in bytes.

    Raises:
        OSError: When the kernel refuses.
    """
    root = _place_for_root(readable)
    _mount(None, "/", None, _MS_REC | _MS_PRIVATE)
    _mount("tmpfs", root, "tmpfs", _MS_NOSUID, "size=1m,mode=0755")
    for each in readable:
        if Path(each).is_symlink():
            Path(root + each).symlink_to(Path(each).readlink())
        elif Path(each).is_dir():
            Path(root + each).mkdir(parents=True, exist_ok=True)
            _bind(each, root + each)
    Path(root, "dev").mkdir()
    for name in ("null", "zero", "random", "urandom"):
        Path(root, "dev", name).touch()
        _mount(f"/dev/{name}", f"{root}/dev/{name}", None, _MS_BIND)
    work = root + folder
    Path(work).mkdir()
    size = f"size={disk},nr_inodes=10000,mode=0777"
    _mount("tmpfs", work, "tmpfs", _MS_NOSUID | _MS_NODEV, size)
    if not Path(root, "tmp").exists():  # it exists if a readable folder is in it
        Path(root, "tmp").symlink_to(folder)
    _make_read_only(root)
    os.chdir(root)
    machine = os.uname().machine
    if machine not in _PIVOT_ROOT:
        raise OSError(f"changing the root is not supported on {machine}")
    # pivot_root(".", ".") mounts the old root over the new one; then it is unmounted.
    call("syscall", _PIVOT_ROOT[machine], b".", b".")
    call("umount2", b".", _MNT_DETACH)
    os.chdir("/")


def _place_for_root(readable: list[str]) -> str:
    for place in ("/mnt", "/media", "/srv", "/opt", "/tmp"):  # noqa: S108 - covered, not written
        if Path(place).is_dir() and not any(f"{f}/".startswith(f"{place}/") for f in readable):
            return place
    raise OSError("found no folder on which a root can be built")


def _bind(source: str, target: str) -> None:
    _mount(source, target, None, _MS_BIND | _MS_REC)
    _make_read_only(target, _AT_RECURSIVE)


def _make_read_only(target: str, flags: int = 0) -> None:
    attributes = (ctypes.c_uint64 * 4)(_READ_ONLY if flags else 1, 0, 0, 0)
    size = ctypes.sizeof(attributes)
    at = ctypes.c_int(_AT_FDCWD)
    call(
        "syscall", _MOUNT_SETATTR, at, target.encode(), flags, attributes, ctypes.c_size_t(size)
    )


def _mount(
    source: str | None, target: str, kind: str | None, flags: int, options: str | None = None
) -> None:
    encoded = [part.encode() if part else None for part in (source, target, kind, options)]
    call("mount", *encoded[:3], ctypes.c_ulong(flags), encoded[3])
