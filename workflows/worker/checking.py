"""``ntbridge-worker check``: prints the checks and returns the exit code."""

import asyncio
import json
import os
from collections.abc import Mapping, Sequence

from bridge.runtime.findings import Finding, is_ready
from bridge.runtime.terminal import print_exact, print_message
from workflows.errors import InvalidSettingError
from workflows.worker.checks import worker_findings
from workflows.worker.logs import configure_logs

_USAGE, _UNAVAILABLE = 2, 4
"""The same exit codes as ``ntbridge``."""


def check_and_print(flags: Mapping[str, str | None], *, as_json: bool) -> int:
    """Check what a worker with these flags would use."""
    configure_logs("ERROR")
    try:
        findings = asyncio.run(worker_findings(flags))
    except InvalidSettingError as error:
        print_message(f"ntbridge-worker: {error}")
        return _USAGE
    if as_json:
        print_exact(json.dumps([dict(each.row()) for each in findings], indent=2))
    else:
        print_exact("\n".join(lines(findings)))
    return os.EX_OK if is_ready(findings) else _UNAVAILABLE


def lines(findings: Sequence[Finding]) -> list[str]:
    """Return the findings as text."""
    shown = []
    for each in findings:
        shown.append(f"{each.state:<8} {each.check}: {each.detail}")
        if each.to_do is not None:
            shown.append(f"{'':<8} -> {each.to_do}")
    return shown
