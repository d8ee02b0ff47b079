"""Where a test run keeps its temporary files."""

import shutil
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from tests.support.in_memory import in_memory_folder

GIB = 1 << 30


@pytest.mark.parametrize(
    ("on_disk", "in_memory", "is_used"), [(9, 9, True), (7, 9, False), (9, 7, False)]
)
def test_memory_is_used_where_there_is_room(
    monkeypatch: pytest.MonkeyPatch, *, on_disk: int, in_memory: int, is_used: bool
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=on_disk * GIB))
    free = SimpleNamespace(available=in_memory * GIB)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: free)
    if not Path("/dev/shm").is_dir():
        pytest.skip("this machine has no /dev/shm")
    assert (in_memory_folder() is not None) is is_used
