"""The servers that a test session shares: started by the same code as `ntbridge dev`, or found elsewhere."""

import json
import os
import select
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from bridge.devstack.addresses import Addresses

CHOICES = ("embedded", "containers", "external")
ROOT = Path(__file__).parents[2]

_START_WITHIN = 180.0
_STOP_WITHIN = 30.0


@contextmanager
def embedded(folder: Path | None = None) -> Iterator[Addresses]:
    """Run the servers in a process of its own, which stops them when we are gone, however we go.

    Args:
        folder: In which they make their own one; default: where temporary files are.
    """
    environ = dict(os.environ) if folder is None else {**os.environ, "TMPDIR": str(folder)}
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "bridge.devstack"),
                "--any-ports",  # nothing of ours may rely on the usual ones, and a stack may be running
                *("--parent", str(os.getpid())),
            ],
            cwd=ROOT,
            env=environ,
            stdout=subprocess.PIPE,
            stderr=said,
            start_new_session=True,  # Ctrl-C is pytest's: the servers outlive its last test
        )
        try:
            yield _announced(process)
            ended = process.poll()
            problem = (
                None if ended is None else f"ended during the session, with exit code {ended}"
            )
        except ValueError as error:
            problem = f"did not start: {error}"
        finally:
            process.terminate()
            process.wait(_STOP_WITHIN)
            if process.stdout is not None:
                process.stdout.close()
        if problem is not None:
            said.seek(0)
            text = said.read().decode(errors="replace")
            raise RuntimeError(f"The embedded servers {problem}.\n{text}")


def external(environ: Mapping[str, str]) -> Addresses:
    """Servers that run elsewhere, from variables made for this alone, so that nothing is hit by chance."""
    names = {
        "nats_url": "NTBRIDGE_TEST_NATS_URL",
        "temporal_address": "NTBRIDGE_TEST_TEMPORAL_ADDRESS",
        "database_url": "NTBRIDGE_TEST_DATABASE_URL",
    }
    missing = [name for name in names.values() if not environ.get(name)]
    if missing:
        raise pytest.UsageError(
            f"--stack=external needs {', '.join(missing)} in the environment. The database's user must be "
            "allowed to create databases; Temporal needs the bridge's search attributes."
        )
    return Addresses(
        nats_url=environ[names["nats_url"]],
        temporal_address=environ[names["temporal_address"]],
        temporal_ui_url="",
        database_url=environ[names["database_url"]],
    )


def _announced(process: "subprocess.Popen[bytes]") -> Addresses:
    """The addresses, from the line the process writes once all is ready."""
    if process.stdout is None:
        raise ValueError("no standard output")
    deadline = time.monotonic() + _START_WITHIN
    while time.monotonic() < deadline:
        readable, _, _ = select.select([process.stdout], [], [], 1)
        if readable:
            return Addresses(**json.loads(process.stdout.readline()))
    raise ValueError(f"nothing said for {_START_WITHIN:g} s")
