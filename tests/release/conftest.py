"""The wheels of this checkout, and virtual environments that they are installed into."""

import os
import shutil
import subprocess
import sys
import sysconfig
import venv
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from bridge.devstack.environment import scrubbed
from tests.support.servers import ROOT

LIBRARIES = Path(sysconfig.get_path("purelib"))
SCRIPTS = Path(sysconfig.get_path("scripts"))
PROGRAMS = ("nats-server", "temporal", "ruff")


@dataclass(frozen=True)
class Wheels:
    """The two wheels."""

    bridge: Path
    pipelines: Path


@dataclass(frozen=True)
class Environment:
    """A virtual environment with this one's libraries, and none of ours."""

    folder: Path

    @property
    def site_packages(self) -> Path:
        (found,) = self.folder.glob("lib/python3*/site-packages")
        return found

    def program(self, name: str) -> Path:
        return self.folder / "bin" / name

    def install(self, *wheels: Path) -> None:
        self._pip("install", "--no-deps", "--no-index", *wheels)

    def uninstall(self, *names: str) -> None:
        self._pip("uninstall", "--yes", *names)

    def run(
        self,
        *command: str | Path,
        cwd: Path,
        env: Mapping[str, str] | None = None,
        within: float = 120,
    ) -> subprocess.CompletedProcess[str]:
        program, *arguments = command
        return subprocess.run(
            [self.program(str(program)), *arguments],
            cwd=cwd,
            env={**scrubbed(), "PYTHONPATH": "", **(env or {})},
            check=False,
            capture_output=True,
            text=True,
            timeout=within,
        )

    def _pip(self, *arguments: str | Path) -> None:
        pip = [sys.executable, "-m", "pip", "--python", str(self.program("python")), "--quiet"]
        subprocess.run(
            [*pip, "--disable-pip-version-check", *arguments], check=True, timeout=300
        )


@pytest.fixture(scope="session")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Wheels:
    """Built without network: with the build backend that is installed here."""
    pytest.importorskip("hatchling", reason="make .venv/dev.stamp")
    return build(ROOT, tmp_path_factory.mktemp("wheels"))


def build(root: Path, target: Path) -> Wheels:
    """Build the wheels of a checkout into a folder."""
    for project in (root, root / "workflows"):
        command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(target)]
        subprocess.run(command, cwd=project, check=True, capture_output=True, timeout=300)
    (pipelines,) = target.glob("nats_temporal_bridge_pipelines-*.whl")
    (bridge,) = (each for each in target.glob("*.whl") if each != pipelines)
    return Wheels(bridge, pipelines)


@pytest.fixture(scope="session")
def libraries(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The libraries of this environment without the editable install of this checkout."""
    folder = tmp_path_factory.mktemp("libraries")
    for each in LIBRARIES.iterdir():
        if "nats_temporal_bridge" not in each.name and each.suffix != ".pth":
            (folder / each.name).symlink_to(each)
    return folder


@pytest.fixture
def environment(tmp_path: Path, libraries: Path) -> Environment:
    made = Environment(tmp_path / "environment")
    venv.create(made.folder, symlinks=True)
    (made.site_packages / "libraries.pth").write_text(f"{libraries}\n", encoding="utf-8")
    return made


@pytest.fixture
def whole_environment(tmp_path: Path, libraries: Path) -> Environment:
    """One with the libraries and programs in it, as pip installs them: generated code sees nothing else."""
    made = Environment(tmp_path / "environment")
    venv.create(made.folder, symlinks=True)
    for each in libraries.iterdir():
        target = made.site_packages / each.name
        if each.is_dir():
            shutil.copytree(each.resolve(), target, copy_function=_linked, dirs_exist_ok=True)
        else:
            _linked(str(each.resolve()), str(target))
    for name in PROGRAMS:
        _linked(str(SCRIPTS / name), str(made.program(name)))
    return made


def _linked(source: str, target: str) -> str:
    """Link a file, or copy it to another file system."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)
    return target
