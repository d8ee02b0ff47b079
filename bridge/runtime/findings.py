"""The result of a health check, and the pages ``/readyz`` and ``/livez``."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Literal

from bridge.runtime.http import JSON, HttpResponse

CheckState = Literal["ok", "warning", "failed"]


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one check."""

    check: str
    state: CheckState
    detail: str
    to_do: str | None = None

    def row(self) -> Mapping[str, str | None]:
        """Return the result as a row to print."""
        return {
            "check": self.check,
            "state": self.state,
            "detail": self.detail,
            "to do": self.to_do,
        }


def is_ready(findings: Sequence[Finding]) -> bool:
    """Return whether no check failed; warnings do not count."""
    return all(finding.state != "failed" for finding in findings)


def readiness(findings: Sequence[Finding]) -> HttpResponse:
    """Return the page ``/readyz``: 200 or 503, with the checks."""
    ready = is_ready(findings)
    body = {"ready": ready, "checks": [dict(finding.row()) for finding in findings]}
    return as_json(body, HTTPStatus.OK if ready else HTTPStatus.SERVICE_UNAVAILABLE)


def as_json(content: object, status: HTTPStatus = HTTPStatus.OK) -> HttpResponse:
    """Return a page of indented JSON."""
    return HttpResponse(
        json.dumps(content, indent=2, default=str).encode() + b"\n", JSON, status
    )


async def alive() -> HttpResponse:
    """Return the page ``/livez``. It shows that the event loop runs: a restart fixes nothing else."""
    return HttpResponse(b"alive\n")
