"""Ten minutes of coverage-guided fuzzing find no exception outside the error tree."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.servers import ROOT

SECONDS = 600


@pytest.mark.torture
@pytest.mark.skipif(
    importlib.util.find_spec("atheris") is None,
    reason="needs the extra 'fuzz' (atheris has no wheel for every Python)",
)
def test_no_message_gets_past_the_error_tree(tmp_path: Path) -> None:
    seeds = tmp_path / "inputs"
    seeds.mkdir()
    done = subprocess.run(
        [
            *(sys.executable, "-m", "tests.support.fuzz_decoder", str(seeds)),
            *(f"-max_total_time={SECONDS}", "-timeout=10", "-max_len=65536"),
            *("-verbosity=0", "-print_final_stats=1", f"-artifact_prefix={tmp_path}/"),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=SECONDS + 120,
    )
    said = (done.stdout + done.stderr)[-5000:]
    assert done.returncode == 0, said
    executed = next(
        (line for line in said.splitlines() if "number_of_executed_units" in line), ""
    )
    # As many as a fuzzer that was doing its work has tried, by far.
    assert int(executed.rpartition(" ")[2] or 0) > 10_000, said
