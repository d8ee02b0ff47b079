"""The messages of the complete code pipeline."""

from enum import StrEnum

from pydantic import Field

from workflows.messages.approvals import Decision
from workflows.messages.code_generation import MAX_PROMPT, Fingerprint, Round
from workflows.messages.code_host import ProposalStatus, Proposed
from workflows.messages.deployment import Deployed, Verification
from workflows.messages.infra import NAME, Provisioned, Resource
from workflows.messages.message import Message
from workflows.messages.suites import TARGET_COVERAGE, CoveragePolicy, Fraction


class ProposalPolicy(StrEnum):
    """How code is proposed to people."""

    BRANCH = "branch"
    """As a branch; the run continues."""
    MERGE = "merge"
    """As a branch; the run continues when people have merged it. That is the security review."""


class CompleteCodeRequest(Message):
    """The data of ``io.quantum-suite.complete-code.requested.v1``."""

    service: str = Field(pattern=NAME)
    prompt: str = Field(min_length=1, max_length=MAX_PROMPT)
    language: str = Field(default="python", min_length=1, max_length=40)
    target_coverage: Fraction = TARGET_COVERAGE
    coverage_policy: CoveragePolicy | None = None
    """What follows if the tests reach less; by default as the worker's settings say."""
    environment: str = Field(pattern=NAME)
    provision: tuple[Resource, ...] | None = None
    """All wanted resources of the service in the environment; without it, nothing is provisioned."""
    smoke_check: str | None = None
    """Python source that exits with code 0 if the deployed service works."""
    security_team: tuple[str, ...] = Field(default=("security",), min_length=1)
    """The people who may decide on critical findings."""
    proposal: ProposalPolicy | None = None
    """Whether the code is proposed as a branch of the worker's repository."""


class CompleteCodeResult(Message):
    """The artifacts of the run and where they run; ``findings`` counts by severity."""

    service: str
    code: Fingerprint | None
    tests: Fingerprint | None
    tests_passed: int
    coverage: Fraction | None
    findings: dict[str, int]
    review: Decision | None
    infrastructure: Provisioned | None
    release: Deployed
    """The release, and the address where the service answers HTTP."""
    files: dict[str, str] = Field(default_factory=dict)
    """The code and its tests, by their paths in the release."""
    verification: Verification
    proposal: Proposed | None = None
    merge: ProposalStatus | None = None
    """The merge that approved it."""
    warnings: tuple[str, ...] = ()
    checked: tuple[str, ...] = ()
    """The checks that the code passed."""
    rounds: tuple[Round, ...] = ()
    """The earlier versions of the code, which did not pass."""
