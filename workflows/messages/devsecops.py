"""The messages of the DevSecOps pipeline."""

from pydantic import Field

from workflows.messages.code_generation import MAX_PROMPT, Fingerprint, Round
from workflows.messages.deployment import Deployed
from workflows.messages.infra import NAME, Provisioned, Resource
from workflows.messages.message import Message
from workflows.messages.monitoring import Monitoring
from workflows.messages.suites import TARGET_COVERAGE, CoveragePolicy, Fraction


class DevSecOpsRequest(Message):
    """The data of ``io.quantum-suite.devsecops.requested.v1``."""

    service: str = Field(pattern=NAME)
    prompt: str = Field(min_length=1, max_length=MAX_PROMPT)
    language: str = Field(default="python", min_length=1, max_length=40)
    target_coverage: Fraction = TARGET_COVERAGE
    coverage_policy: CoveragePolicy | None = None
    """What follows if the tests reach less; by default as the worker's settings say."""
    environment: str = Field(pattern=NAME)
    resources: tuple[Resource, ...] = ()
    """All wanted resources of the service in the environment; its others are destroyed."""
    smoke_check: str | None = None
    """Python source that exits with code 0 if the deployed service works."""
    availability: float = Field(default=0.999, gt=0, lt=1)
    owner: str | None = None


class MonitoringFailed(Message):
    """A warning: the service runs without monitoring."""

    environment: str
    service: str
    reason: str
    error: str


class DevSecOpsResult(Message):
    """The artifacts of the run and where they run; ``findings`` counts by severity."""

    service: str
    code: Fingerprint | None
    tests: Fingerprint | None
    findings: dict[str, int]
    infrastructure: Provisioned
    release: Deployed
    """The release, and the address where the service answers HTTP."""
    files: dict[str, str] = Field(default_factory=dict)
    """The code and its tests, by their paths in the release."""
    monitoring: Monitoring | None
    warnings: tuple[str, ...] = ()
    checked: tuple[str, ...] = ()
    """The checks that the code passed."""
    rounds: tuple[Round, ...] = ()
    """The earlier versions of the code, which did not pass."""
