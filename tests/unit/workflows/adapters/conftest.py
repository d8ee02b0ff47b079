"""Cages with and without namespaces."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.workflows.adapters.suites.builders import LIMITS, forbid_namespaces
from workflows.adapters.containment import Containment


@pytest.fixture(params=["namespaces", "best-effort"])
def cages(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, open_folder: Path
) -> Containment:
    if request.param == "best-effort":
        forbid_namespaces(monkeypatch)
    return Containment(
        limits=LIMITS, required=request.param == "namespaces", folder=open_folder
    )


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every user may enter."""
    with tempfile.TemporaryDirectory(dir="/tmp") as name:
        folder = Path(name)
        folder.chmod(0o777)
        yield folder
