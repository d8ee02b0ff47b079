"""Every way through the two pipelines that span several modules."""

from collections.abc import Sequence

from temporalio.client import WorkflowExecutionStatus

from tests.support.pipelines import Scenario
from tests.support.scripted_worker import Act

FAILED = WorkflowExecutionStatus.FAILED
CANCELED = WorkflowExecutionStatus.CANCELED

INSECURE = {
    "code": 'URL = "postgresql://app:hunter22@db.example.com/app"\n\n\n'
    'def address(name: str) -> str:\n    """Return where a table is."""\n    return URL + "#" + name\n',
    "language": "python",
    "model": "script",
}
"""Code that compiles and is clean, and has a password in it."""

FAILING = {
    "code": "import generated\n\n\ndef test_there_is_code():\n    assert generated.__name__\n\n\n"
    "def test_that_fails():\n    assert generated is None\n",
    "language": "python",
    "generator": "script",
}
"""Two tests, one of which fails."""

UNWELL = "raise SystemExit('it does not answer')\n"

PASSING = {
    **FAILING,
    "code": "import generated\n\n\ndef test_there_is_code():\n    assert generated\n",
}

LIGHT = {
    "qagent.check_code": Act(answers={"checks": ["compile", "ruff"]}),
    "qagent.test_code": Act(answers={"outcome": "passed", "passed": 1, "coverage": 1}),
    "qtest.generate_tests": Act(answers=PASSING),
    "qtest.execute_tests": Act(answers={"outcome": "passed", "passed": 1, "coverage": 1}),
    "qsecure.scan": Act(answers={"scanners": []}),
}
"""What takes a process of its own, and is done for real in the scenarios that need it."""

FINDING = {**LIGHT, "qsecure.scan": Act(), "qagent.generate_code": Act(answers=INSECURE)}
"""The scan is for real, and finds something."""

UNREPAIRED = {
    "qagent.parse_prompt": Act(
        answers={"text": "Act", "language": "python", "rules": {"rounds": 2}}
    ),
    "qagent.generate_code": Act(answers=INSECURE),
    "qagent.check_code": Act(
        answers={
            "checks": ["compile", "ruff"],
            "findings": [{"check": "ruff", "rule": "F821", "message": "no such name"}],
        }
    ),
}
"""Two versions of the code, which do not pass."""

CODE = ("code-generated", "fingerprint-recorded")
TESTS = ("tests-generated", "fingerprint-recorded")
SCANNED = (*CODE, *TESTS, "security-scanned")
DEPLOYED = (*SCANNED, "infrastructure-deployed", "application-deployed")
UNDONE = ("undone", "failed")

TESTED = (*CODE, *TESTS, "tests-executed", "security-scanned")
REVIEWED = (*TESTED, "security-review-requested")
VERIFIED = ("deployed", "deployment-verified", "completed")

ALICE = {"who": "alice", "approved": True, "reason": "a false positive"}

DEVSECOPS = (
    Scenario(
        name="completed",
        pipeline="devsecops",
        emits=(*DEPLOYED, "monitoring-set-up", "completed"),
    ),
    Scenario(
        name="monitoring-fails",
        pipeline="devsecops",
        acts={**LIGHT, "qsre.set_up_monitoring": Act(fails="no disk")},
        emits=(*DEPLOYED, "monitoring-failed", "completed"),
    ),
    Scenario(
        name="not-fingerprinted",
        pipeline="devsecops",
        acts={**LIGHT, "qagent.fingerprint": Act(fails="no key for signing")},
        emits=(
            *("code-generated", "tests-generated", "security-scanned"),
            *("infrastructure-deployed", "application-deployed", "monitoring-set-up"),
            "completed",
        ),
    ),
    Scenario(
        name="input-invalid",
        pipeline="devsecops",
        data={"environment": "No Such Name"},
        emits=("failed",),
        error="InvalidInputError",
        status=FAILED,
    ),
    Scenario(
        name="no-tests",
        pipeline="devsecops",
        acts={**LIGHT, "qtest.generate_tests": Act(fails="no idea")},
        emits=(*CODE, *UNDONE),
        error="ScriptedError",
        status=FAILED,
    ),
    Scenario(
        name="never-repaired",
        pipeline="devsecops",
        acts=UNREPAIRED,
        emits=("code-rejected", *UNDONE),
        error="CodeRejectedError",
        status=FAILED,
    ),
    Scenario(
        name="critical-finding",
        pipeline="devsecops",
        acts=FINDING,
        emits=(*SCANNED, *UNDONE),
        error="CriticalFindingsError",
        status=FAILED,
    ),
    Scenario(
        name="infrastructure-fails",
        pipeline="devsecops",
        acts=LIGHT,
        data={"resources": [{"name": "door", "kind": "endpoint", "properties": {"port": 0}}]},
        emits=(*SCANNED, *UNDONE),
        error="ProvisionRefusedError",
        status=FAILED,
    ),
    Scenario(
        name="deploy-fails",
        pipeline="devsecops",
        acts=LIGHT,
        data={"smoke_check": UNWELL},
        emits=(*SCANNED, "infrastructure-deployed", *UNDONE),
        error="DeploymentUnhealthyError",
        status=FAILED,
    ),
    Scenario(
        name="compensation-fails",
        pipeline="devsecops",
        data={"smoke_check": UNWELL},
        acts={**LIGHT, "qinfra.roll_back": Act(fails="locked by somebody")},
        emits=(*SCANNED, "infrastructure-deployed", *UNDONE),
        error="DeploymentUnhealthyError",
        status=FAILED,
    ),
    Scenario(
        name="withdrawn",
        pipeline="devsecops",
        acts={**LIGHT, "qinfra.deploy": Act(hangs="after")},
        withdraw_at="qinfra.deploy",
        emits=(*SCANNED, "infrastructure-deployed", *UNDONE),
        error="Cancelled",
        status=CANCELED,
    ),
    Scenario(
        name="withdrawn-when-watched",
        pipeline="devsecops",
        acts={**LIGHT, "qsre.set_up_monitoring": Act(hangs="after")},
        withdraw_at="qsre.set_up_monitoring",
        emits=(*DEPLOYED, *UNDONE),
        error="Cancelled",
        status=CANCELED,
    ),
)

COMPLETE_CODE = (
    Scenario(
        name="complete",
        pipeline="complete-code",
        emits=(*TESTED, "infrastructure-provisioned", *VERIFIED),
    ),
    Scenario(
        name="nothing-provisioned",
        pipeline="complete-code",
        data={"provision": None},
        acts=LIGHT,
        emits=(*TESTED, *VERIFIED),
    ),
    Scenario(
        name="bad-input",
        pipeline="complete-code",
        data={"prompt": ""},
        emits=("failed",),
        error="InvalidInputError",
        status=FAILED,
    ),
    Scenario(
        name="complete-never-repaired",
        pipeline="complete-code",
        acts=UNREPAIRED,
        emits=("code-rejected", *UNDONE),
        error="CodeRejectedError",
        status=FAILED,
    ),
    Scenario(
        name="tests-fail",
        pipeline="complete-code",
        acts={
            **LIGHT,
            "qtest.generate_tests": Act(answers=FAILING),
            "qtest.execute_tests": Act(),
        },
        emits=(*CODE, *TESTS, "tests-executed", *UNDONE),
        error="SuiteFailedError",
        status=FAILED,
    ),
    Scenario(
        name="review-granted",
        pipeline="complete-code",
        data={"smoke_check": None},
        acts=FINDING,
        answers=({**ALICE, "who": "mallory"}, ALICE),
        emits=(
            *REVIEWED,
            "security-review-refused",
            "security-review-granted",
            "infrastructure-provisioned",
            *VERIFIED,
        ),
    ),
    Scenario(
        name="review-denied",
        pipeline="complete-code",
        acts=FINDING,
        answers=({**ALICE, "approved": False, "reason": "withdraw the password"},),
        emits=(*REVIEWED, "security-review-denied", *UNDONE),
        error="ReviewRefusedError",
        status=FAILED,
    ),
    Scenario(
        name="withdrawn-in-review",
        pipeline="complete-code",
        acts=FINDING,
        withdraw_when="security-review-requested",
        emits=(*REVIEWED, *UNDONE),
        error="Cancelled",
        status=CANCELED,
    ),
    Scenario(
        name="release-unwell",
        pipeline="complete-code",
        acts=LIGHT,
        data={"smoke_check": UNWELL},
        emits=(*TESTED, "infrastructure-provisioned", *UNDONE),
        error="DeploymentUnhealthyError",
        status=FAILED,
    ),
    Scenario(
        name="not-verified",
        pipeline="complete-code",
        acts={
            **LIGHT,
            "qinfra.verify_deployment": Act(
                answers={
                    "environment": "not-verified",
                    "service": "palindromes",
                    "release": "r",
                    "passed": False,
                    "check": "smoke_check.py",
                    "seconds": 0.1,
                    "output": "it does not answer any more",
                }
            ),
        },
        emits=(
            *TESTED,
            "infrastructure-provisioned",
            "deployed",
            "deployment-verified",
            *UNDONE,
        ),
        error="DeploymentNotVerifiedError",
        status=FAILED,
    ),
)

SCENARIOS: Sequence[Scenario] = (*DEVSECOPS, *COMPLETE_CODE)

REVIEW_TIMED_OUT = Scenario(
    name="review-timed-out",
    pipeline="complete-code",
    acts=FINDING,
    emits=(*REVIEWED, "security-review-timed-out", *UNDONE),
    error="ReviewTimedOutError",
    status=FAILED,
)
"""Started by hand, so that time can be skipped: its run is its own beginning."""

IMPACT_TOO_HIGH = Scenario(
    name="impact-too-high",
    pipeline="devsecops",
    data={"environment": "completed", "resources": []},
    acts=LIGHT,
    emits=(*SCANNED, *UNDONE),
    error="ImpactTooHighError",
    status=FAILED,
)
"""Would empty the environment of the scenario `completed`, and so comes after it."""
