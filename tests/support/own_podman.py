"""A podman with a storage of a test's own, and a base image with this machine's Python."""

import os
import re
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

PROGRAM = shutil.which("podman")
IMAGE = "localhost/python:of-a-test"
_VERSION = f"python3.{sys.version_info.minor}"
_LEFT_OUT = re.compile(
    r"/(site-packages|test|tests|idlelib|tkinter|ensurepip|__pycache__|config-[^/]+)(/|$)"
)
_CONFIG = """\
[containers]
default_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]
"""
_CONTAINERFILE = """\
FROM scratch
ADD root.tar /
ENV LD_LIBRARY_PATH=/usr/local/lib PATH=/usr/local/bin
"""


@dataclass(frozen=True)
class OwnPodman:
    """The program with its flags, and the base image."""

    engine: tuple[str, ...]
    image: str

    def run(self, *arguments: str) -> str:
        done = subprocess.run(
            [*self.engine, *arguments], capture_output=True, text=True, check=False, timeout=600
        )
        assert done.returncode == 0, done.stderr
        return done.stdout


@contextmanager
def own_podman(folder: Path) -> Iterator[OwnPodman]:
    """Make the storage and the base image; remove both, and all containers, at the end."""
    assert PROGRAM is not None
    config = folder / "containers.conf"
    config.write_text(_CONFIG)
    engine = (
        *(PROGRAM, "--root", str(folder / "storage"), "--runroot", str(folder / "run")),
        *("--storage-driver=vfs", "--runtime=runc", "--cgroup-manager=cgroupfs"),
    )
    podman = OwnPodman(engine, IMAGE)
    with patch.dict(os.environ, {"CONTAINERS_CONF": str(config)}):
        try:
            context = folder / "base"
            context.mkdir()
            (context / "Containerfile").write_text(_CONTAINERFILE)
            with tarfile.open(context / "root.tar", "w") as root:
                _add_python(root)
            podman.run("build", "--quiet", "--tag", IMAGE, str(context))
            yield podman
        finally:
            subprocess.run(
                [*engine, "rm", "--all", "--force"],
                check=False,
                capture_output=True,
                timeout=120,
            )
            subprocess.run(
                [*engine, "rmi", "--all", "--force"],
                check=False,
                capture_output=True,
                timeout=120,
            )


def _add_python(root: tarfile.TarFile) -> None:
    prefix = Path(sys.base_prefix)
    program, library = prefix / "bin" / _VERSION, prefix / "lib" / _VERSION

    def kept(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
        return None if _LEFT_OUT.search(f"/{member.name}") else member

    root.add(program.resolve(), "usr/local/bin/python3")
    root.add(library, f"usr/local/lib/{_VERSION}", filter=kept)
    for path in sorted(_needed([program, *library.glob("lib-dynload/*.so")])):
        root.add(path.resolve(), f"usr/local/lib/{path.name}")
        if path.name.startswith("ld-linux"):
            root.add(path.resolve(), str(path).lstrip("/"))
    for name in ("tmp", "proc", "sys", "dev"):
        folder = tarfile.TarInfo(name)
        folder.type, folder.mode = tarfile.DIRTYPE, 0o1777
        root.addfile(folder)


def _needed(programs: list[Path]) -> set[Path]:
    """The shared libraries that programs need, and the loader."""
    done = subprocess.run(
        ["ldd", *map(str, programs)], capture_output=True, text=True, check=False, timeout=60
    )
    return {Path(found) for found in re.findall(r"(/\S+\.so\S*) \(", done.stdout)}
