"""Commands whose standard streams are closed, full or read no more end with a code, not a crash."""

import subprocess
import sys
from pathlib import Path

import pytest

from bridge.devstack.environment import scrubbed
from tests.support.servers import ROOT

pytestmark = pytest.mark.slow

BRIDGE, WORKER = "bridge", "workflows.worker.cli"
FULL = "cannot write to standard output: No space left on device"
# Exit code 4: nobody answers. With uvloop, as all commands that ask a server.
DOCTOR = f"{BRIDGE} doctor"


def run(line: str, folder: Path) -> subprocess.CompletedProcess[bytes]:
    program = f"import sys; sys.argv[0:1] = []; from {WORKER} import main; main()"
    launch = {
        "bridge": f"{sys.executable} -m bridge",
        "worker": f"{sys.executable} -c '{program}' -",
    }
    name, _, rest = line.partition(" ")
    nowhere = {
        "NATS_URL": "nats://127.0.0.1:1",
        "TEMPORAL_ADDRESS": "127.0.0.1:1",
        "DATABASE_URL": "postgresql://x@127.0.0.1:1/x",
    }
    return subprocess.run(
        ["bash", "-c", f"set -o pipefail; {launch[name]} {rest}"],
        cwd=folder,
        env={**scrubbed(), "PYTHONPATH": str(ROOT), **nowhere},
        capture_output=True,
        timeout=180,
        check=False,
    )


@pytest.mark.parametrize(
    ("line", "code", "says"),
    [
        (f"{DOCTOR} 1>&-", 4, "cannot write to standard output: Bad file descriptor"),
        (f"{DOCTOR} 0<&- 1>&- 2>&-", 4, ""),
        (f"{DOCTOR} >/dev/full", 4, FULL),
        ("bridge --help >/dev/full", 1, FULL),
        ("bridge routes schema >&-", 1, "cannot write to standard output: Bad file descriptor"),
        ("bridge routes schema | true", 141, ""),
        ("bridge events publish - <&-", 1, "standard input is not JSON"),
        ("bridge bogus 2>/dev/full", 2, ""),
        ("worker --help >/dev/full", 1, FULL),
        ("worker --help | true", 141, ""),
        ("worker --bogus 0<&- 1>&- 2>&-", 2, ""),
        ("worker --bogus", 2, "Unknown option"),
        ("bridge events explain $'\\xff'", 2, "argument 3 is not UTF-8: \\udcff"),
        ("bridge $'\\e]0;x\\a[/x]'", 2, 'Unknown command "\\x1b]0;x\\x07[/x]"'),
    ],
)
def test_it_ends_with_a_code_and_a_sentence(
    line: str, code: int, says: str, tmp_path: Path
) -> None:
    done = run(line, tmp_path)
    said = done.stderr.decode()
    assert (done.returncode, says in said) == (code, True), said
    assert "Traceback" not in said
    assert "Assertion" not in said


def test_what_can_be_written_is_complete_whatever_the_locale(tmp_path: Path) -> None:
    (tmp_path / "é.yaml").write_text("routes: [{name: Ünfug}]", encoding="utf-8")
    done = run("bridge routes lint --routes é.yaml", tmp_path)
    ascii_only = subprocess.run(
        [sys.executable, "-m", "bridge", "routes", "lint", "--routes", "é.yaml"],
        cwd=tmp_path,
        env={**scrubbed(), "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "ascii"},
        capture_output=True,
        timeout=180,
        check=False,
    )
    assert done.returncode == ascii_only.returncode == 1
    assert "é.yaml" in done.stdout.decode()
    assert "\\xe9.yaml" in ascii_only.stdout.decode()
