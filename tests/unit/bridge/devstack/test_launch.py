import os
import subprocess
import sys
from pathlib import Path

import pytest

from bridge.devstack import launch

AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="changing who we are takes root")


def run(
    *arguments: str, identity: str = "same", needs: str = "", parent: int | None = None
) -> str:
    given = [str(parent or os.getpid()), "9", identity, needs, "--", *arguments]
    done = subprocess.run(
        [sys.executable, "-I", "-S", launch.__file__, *given],
        check=False,
        capture_output=True,
        text=True,
    )
    return done.stdout + done.stderr + f"[{done.returncode}]"


def test_it_becomes_the_program() -> None:
    assert run("/bin/echo", "a b", "c") == "a b c\n[0]"


def test_it_refuses_when_the_parent_is_gone() -> None:
    assert run("/bin/echo", parent=1) == "launch: the parent has already ended\n[126]"


def test_it_says_what_it_cannot_run() -> None:
    assert "cannot run /no/such/program as same" in run("/no/such/program")


def test_it_says_which_folder_it_cannot_write(tmp_path: Path) -> None:
    missing = tmp_path / "missing"
    assert f"{missing} is not writable as same" in run("/bin/echo", needs=str(missing))


@AS_ROOT
@pytest.mark.parametrize("identity", ["namespace", "nobody"])
def test_root_is_nobody_and_still_reaches_folders_of_root(
    identity: str, tmp_path: Path
) -> None:
    folder = tmp_path / "private"
    folder.mkdir(mode=0o700)
    (folder / "file").write_text("content")
    said = run(
        "/bin/sh", "-c", f"id -u; cat {folder}/file", identity=identity, needs=str(folder)
    )
    if "Operation not permitted" in said and identity == "namespace":
        pytest.skip("this machine forbids user namespaces")
    assert said == f"{launch.NOBODY}\ncontent[0]"


@AS_ROOT
def test_the_death_signal_survives_the_change_of_identity() -> None:
    code = (
        "import ctypes; s = ctypes.c_int(); "
        "ctypes.CDLL(None).prctl(2, ctypes.byref(s)); print(s.value)"  # PR_GET_PDEATHSIG
    )
    for identity in ("namespace", "nobody"):
        said = run(sys.executable, "-I", "-S", "-c", code, identity=identity)
        assert said == "9\n[0]" or "Operation not permitted" in said
