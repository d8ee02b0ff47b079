"""The command line from outside: help is quick, and each kind of failure has its exit code."""

import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from typing_extensions import override

import bridge
from bridge.cli import exits
from bridge.devstack.environment import scrubbed

pytestmark = pytest.mark.slow

PASSWORD = "s3cret!"


@dataclass(frozen=True)
class Case:
    """A command line, what it is given, and how it ends."""

    line: str
    code: int
    says: str
    environ: dict[str, str] = field(default_factory=dict)

    @override
    def __str__(self) -> str:
        return f"{self.line or 'nothing'} {' '.join(self.environ)}"


USAGE = [
    Case("bogus", exits.USAGE, "bogus"),
    Case("run --bogus", exits.USAGE, "--bogus"),
    Case("events publish --bogus", exits.USAGE, "--bogus"),
    Case("migrate --log-level loud", exits.USAGE, "loud"),
    Case("replay --rate 5", exits.USAGE, "--rate needs a target"),
    Case("dev --once", exits.USAGE, "--once needs --sample"),
]
SETTINGS = [
    Case("migrate", exits.SETTINGS, "nats.urll", {"NTBRIDGE_NATS__URLL": "x"}),
    Case("doctor", exits.SETTINGS, "gone.yaml", {"NTBRIDGE_CONFIG": "gone.yaml"}),
    Case("replay", exits.SETTINGS, "database.url", {"DATABASE_URL": f"x://u:{PASSWORD}@h/x"}),
    Case(
        "run", exits.SETTINGS, "'pool_size'", {"DATABASE_URL": "postgresql://h/x?pool_size=5"}
    ),
    Case(
        "doctor", exits.SETTINGS, "sslmode", {"DATABASE_URL": "postgresql://h/x?sslmode=maybe"}
    ),
    Case("run", exits.SETTINGS, "routes.yaml does not exist"),
]
MISUSED = [Case("events tail --since soon", exits.USAGE, "'soon' is not a point in time")]
FAILED = [
    Case("events publish", exits.FAILED, "'type' is missing"),
    Case("events publish gone.json", exits.FAILED, "cannot read gone.json"),
]
UNREACHABLE = [
    Case("migrate", exits.UNAVAILABLE, "cannot be reached"),
    Case("replay", exits.UNAVAILABLE, "cannot be reached"),
    Case("results watch", exits.UNAVAILABLE, "cannot connect to NATS"),
    Case("events publish --type shop.placed", exits.UNAVAILABLE, "cannot connect to NATS"),
]
DOCTOR = Case("doctor", exits.UNAVAILABLE, "start Temporal")
ALL = [*USAGE, *SETTINGS, *MISUSED, *FAILED, *UNREACHABLE, DOCTOR]

Answer = subprocess.CompletedProcess[str]
Answers = Callable[[Case], Answer]


@pytest.fixture(scope="module")
def servers() -> Iterator[dict[str, str]]:
    """Addresses where nobody answers: ports that are taken, and not listened on."""
    taken = [socket.socket() for _ in range(3)]
    for each in taken:
        each.bind(("127.0.0.1", 0))
    nats, temporal, postgres = (f"127.0.0.1:{each.getsockname()[1]}" for each in taken)
    yield {
        "NATS_URL": f"nats://me:{PASSWORD}@{nats}",
        "TEMPORAL_ADDRESS": temporal,
        "DATABASE_URL": f"postgresql://me:{PASSWORD}@{postgres}/x",
    }
    for each in taken:
        each.close()


@pytest.fixture(scope="module")
def answers(
    servers: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Answers]:
    """Runs all command lines side by side, since some of them wait for a server's answer."""
    folder = tmp_path_factory.mktemp("empty")
    with ThreadPoolExecutor(len(ALL)) as pool:
        running: dict[str, Future[Answer]] = {
            str(case): pool.submit(ntbridge, folder, case.line, {**servers, **case.environ})
            for case in ALL
        }
        yield lambda case: running[str(case)].result()


def ntbridge(
    folder: Path, line: str, environ: dict[str, str] | None = None, *options: str
) -> Answer:
    root = Path(bridge.__file__).parents[1]
    return subprocess.run(
        [sys.executable, *options, "-m", "bridge", *line.split()],
        cwd=folder,
        env={**scrubbed(), "PYTHONPATH": str(root), **(environ or {})},
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )


def check(answer: Answer, case: Case) -> None:
    said = answer.stderr + answer.stdout
    assert (answer.returncode, case.says in said) == (case.code, True), said
    assert PASSWORD not in said
    assert "Traceback" not in answer.stderr.rpartition("\nntbridge: ")[2]


@pytest.mark.parametrize("case", USAGE, ids=str)
def test_a_wrong_command_line_exits_2(answers: Answers, case: Case) -> None:
    check(answers(case), case)


@pytest.mark.parametrize("case", SETTINGS, ids=str)
def test_a_wrong_setting_exits_3(answers: Answers, case: Case) -> None:
    check(answers(case), case)


@pytest.mark.parametrize("case", FAILED, ids=str)
def test_what_cannot_be_done_exits_1(answers: Answers, case: Case) -> None:
    check(answers(case), case)


@pytest.mark.parametrize("case", UNREACHABLE, ids=str)
def test_a_server_out_of_reach_exits_4(answers: Answers, case: Case) -> None:
    check(answers(case), case)
    assert answers(case).stdout == ""


def test_doctor_reports_servers_out_of_reach_and_exits_4(answers: Answers) -> None:
    check(answers(DOCTOR), DOCTOR)
