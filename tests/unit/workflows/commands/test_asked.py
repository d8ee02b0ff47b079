"""What people are shown of a question before they answer."""

from datetime import UTC, datetime, timedelta

from workflows.commands.asked import lines
from workflows.commands.questions import Asking
from workflows.messages.approvals import Asked
from workflows.messages.security import ScanReport, Severity, Weakness

ASKED_AT = datetime(2026, 5, 1, tzinfo=UTC)


def test_a_security_review_shows_each_finding_and_where_it_is() -> None:
    found = ScanReport(
        scanners=("bandit",),
        findings=(
            Weakness(
                file="generated.py",
                line=3,
                scanner="bandit",
                rule="B602",
                severity=Severity.CRITICAL,
                confidence="high",
                message="a shell is started with what comes from outside",
            ),
            Weakness(
                file="generated.py",
                scanner="secrets",
                rule="aws-key",
                severity=Severity.LOW,
                confidence="low",
                message="it looks like a key",
            ),
        ),
    )
    asking = Asking(
        number=7,
        about="io.quantum-suite.complete-code.security-review",
        asked=Asked(
            request="r",
            workflow_id="w",
            question="may it go on?",
            details=found.model_dump(mode="json"),
            may_answer=("alice",),
            until=ASKED_AT + timedelta(days=1),
            answer_with="io.example.answered.v1",
        ),
        at=ASKED_AT,
        seen=1,
    )
    shown = lines(asking)
    assert [says for what, says in shown if what == "finding"] == [
        "critical: a shell is started with what comes from outside (generated.py:3, bandit B602)",
        "low: it looks like a key (generated.py, secrets aws-key)",
    ]
    assert ("answer with", "ntbridge approvals grant 7 --why …") in shown
