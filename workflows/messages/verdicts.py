"""What checks and tests say about code, as findings, rounds and text."""

from collections.abc import Iterator, Sequence

from workflows.messages.code_generation import (
    TESTS,
    CheckReport,
    CodeFinding,
    GeneratedCode,
    Round,
)
from workflows.messages.suites import SuiteOutcome, SuiteReport

_MAX_FINDINGS = 20
_MAX_MESSAGE = 600
_MAX_CODE = 10_000
"""Characters; the limits of a round in an event."""
_MAX_TOLD = 3
"""Findings of a round that an error message names."""
_MAX_TOLD_MESSAGE = 200


def findings_of(report: SuiteReport) -> tuple[CodeFinding, ...]:
    """Return what tests found; nothing if they passed or could not run."""
    if report.ok or report.outcome is SuiteOutcome.NOT_RUN:
        return ()
    if not report.unpassed:
        return (CodeFinding(check=TESTS, rule=report.outcome.value, message=report.reason),)
    return tuple(
        CodeFinding(
            check=TESTS,
            rule=case.outcome,
            message=f"{case.name}: {case.message[-_MAX_MESSAGE:]}",
        )
        for case in report.unpassed
    )


def with_suite(report: CheckReport, suite: SuiteReport) -> CheckReport:
    """Return a report of checks with that of the tests."""
    ran = () if suite.outcome is SuiteOutcome.NOT_RUN else (TESTS,)
    return report.model_copy(
        update={
            "checks": (*report.checks, *ran),
            "findings": (*report.findings, *findings_of(suite)),
            "suite": suite,
        }
    )


def round_of(number: int, code: GeneratedCode | None, report: CheckReport) -> Round:
    """Return the record of code that did not pass; None: the model's answer had no code."""
    found = sorted(report.findings, key=lambda finding: finding.style)
    text = code.code if code is not None else ""
    return Round(
        number=number,
        model=code.model if code is not None else None,
        checks=report.checks,
        findings=tuple(
            finding.model_copy(update={"message": _cut(finding.message, _MAX_MESSAGE)})
            for finding in found[:_MAX_FINDINGS]
        ),
        omitted=max(len(found) - _MAX_FINDINGS, 0),
        code=_cut(text, _MAX_CODE),
    )


def rejection_text(rounds: Sequence[Round]) -> str:
    """Return why code was rejected, in every round."""
    if len(rounds) == 1:
        return f"the generated code does not pass: {_told(rounds[0])}"
    each = ". ".join(f"Round {one.number}: {_told(one)}" for one in rounds)
    return f"the generated code does not pass after {len(rounds)} rounds. {each}"


def _told(one: Round) -> str:
    return "; ".join(_texts(one))


def _texts(one: Round) -> Iterator[str]:
    for finding in one.findings[:_MAX_TOLD]:
        message = " ".join(finding.message.split())
        yield str(finding.model_copy(update={"message": _cut(message, _MAX_TOLD_MESSAGE)}))
    more = len(one.findings) - _MAX_TOLD + one.omitted
    if more > 0:
        yield f"and {more} more"


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else f"{text[: limit - 1]}…"
