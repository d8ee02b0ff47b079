"""Commands in a pseudo-terminal of 80 and of 160 columns, compared with files that people have read.

``UPDATE_GOLDEN=1`` writes the files anew; read the difference before committing it.
"""

import os
import re
import sys
from pathlib import Path

import pytest

from bridge.devstack.environment import scrubbed
from tests.support.pseudo_terminal import in_terminal
from tests.support.servers import ROOT

GOLDEN = Path(__file__).parent / "golden"


@pytest.mark.parametrize("columns", [80, 160])
async def test_commands_look_as_they_did(columns: int) -> None:
    env = {**scrubbed(), "PYTHONPATH": str(ROOT), "TERM": "xterm"}
    command = [sys.executable, "-m", "tests.support.shown"]
    seen = await in_terminal(command, ROOT, env, columns=columns)
    assert seen.code == 0, seen.screen
    plain = re.sub(r"\x1b\[[0-9;]*m", "", seen.screen)
    lines = [each.rstrip() for each in plain.replace("\r\n", "\n").splitlines()]
    shown = "\n".join(lines) + "\n"
    file = GOLDEN / f"{columns}_columns.txt"
    if os.environ.get("UPDATE_GOLDEN"):
        file.write_text(shown)
    assert shown == file.read_text()
    assert max(map(len, lines)) <= columns
