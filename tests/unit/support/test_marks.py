"""Which tests `make test-fast` leaves out."""

import subprocess
import sys

import pytest

from tests.support.servers import ROOT

pytestmark = pytest.mark.slow

_OF_SERVERS = "tests/integration/eventstore/test_immutability.py"
_OF_NONE = "tests/unit/eventstore/test_expected.py"


@pytest.mark.parametrize(
    ("expression", "file"), [("servers", _OF_SERVERS), ("not servers", _OF_NONE)]
)
def test_a_test_that_needs_servers_can_be_left_out(expression: str, file: str) -> None:
    command = [*(sys.executable, "-m", "pytest", "--collect-only", "-q"), "-m", expression]
    done = subprocess.run(
        [*command, _OF_SERVERS, _OF_NONE], cwd=ROOT, capture_output=True, text=True, check=True
    )
    collected = {line.partition("::")[0] for line in done.stdout.splitlines() if "::" in line}
    assert collected == {file}
