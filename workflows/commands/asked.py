"""The text of questions in a terminal."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from workflows.commands.questions import Asking
    from workflows.messages.approvals import Decision

COLUMNS = ("number", "state", "question", "may_answer", "left", "workflow_id")

CONFIRMATION = ".confirmation"
"""The end of ``about`` for questions that confirm an approval."""


_HIDDEN = {"base"}
"""Details that only programs need; they are not shown."""


def row(asking: "Asking") -> dict[str, Any]:
    """Return a question as a row of a list."""
    asked = asking.asked
    return {
        "number": asking.number,
        "state": asking.state,
        "question": asked.question,
        "may_answer": ", ".join(asked.may_answer),
        "left": _left(asking),
        "workflow_id": asked.workflow_id,
        "asked_at": asking.at.isoformat(),
        "until": asked.until.isoformat(),
        "refused": len(asking.refused),
    }


def _left(asking: "Asking") -> str | None:
    if asking.state != "open":
        return None
    left = max(asking.asked.until - datetime.now(UTC), timedelta(0))
    minutes = int(left.total_seconds() // 60)
    return f"{minutes // 60} h {minutes % 60:02} min"


def whole(asking: "Asking") -> dict[str, Any]:
    """Return all fields of a question."""
    return {
        **row(asking),
        "asked": asking.asked.model_dump(mode="json"),
        "decision": asking.decision.model_dump(mode="json") if asking.decision else None,
        "refusals": [each.model_dump(mode="json") for each in asking.refused],
        "reminders": [each.isoformat() for each in asking.reminders],
    }


def lines(asking: "Asking") -> list[tuple[str, str]]:
    """Return the lines of text that describe a question."""
    asked = asking.asked
    said = [
        ("number", str(asking.number)),
        ("question", asked.question),
        ("state", asking.state),
        ("workflow", asked.workflow_id),
        ("may answer", ", ".join(asked.may_answer)),
        ("asked", f"{asking.at:%Y-%m-%d %H:%M:%S %Z}"),
        ("until", f"{asked.until:%Y-%m-%d %H:%M:%S %Z}"),
    ]
    if isinstance(asked.details, dict):
        said += _detail_lines(asked.details)
    said += [("reminded", f"{each:%Y-%m-%d %H:%M:%S %Z}") for each in asking.reminders]
    said += [
        ("refused", f"{each.who or 'unknown'}: {each.reason} ({each.source})")
        for each in asking.refused
    ]
    if asking.decision is not None:
        said.append(("decision", decision_text(asking.decision)))
    elif asking.state == "open":
        verb = "confirm" if asking.about.endswith(CONFIRMATION) else "grant"
        said.append(("answer with", f"ntbridge approvals {verb} {asking.number} --why …"))
    return said


def _detail_lines(details: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return one line for each change of a plan or finding of a scan, else for each field."""
    said: list[tuple[str, str]] = []
    for name, value in details.items():
        if name == "changes" and isinstance(value, list):
            said += [("change", _change(each)) for each in value]
        elif name == "findings" and isinstance(value, list):
            said += [("finding", _finding(each)) for each in value]
        elif isinstance(value, str) and name not in _HIDDEN:
            said.append((name, str(value)))
        elif name == "reasons" and isinstance(value, list):
            said += [("reason", str(each)) for each in value]
    return said


def _finding(finding: Mapping[str, Any]) -> str:
    line = "" if finding.get("line") is None else f":{finding['line']}"
    where = f"{finding.get('file')}{line}"
    rule = f"{finding.get('scanner')} {finding.get('rule')}"
    return f"{finding.get('severity')}: {finding.get('message')} ({where}, {rule})"


def _change(change: Mapping[str, Any]) -> str:
    resource = change.get("after") or change.get("before") or {}
    of = f" ({', '.join(change['properties'])})" if change.get("properties") else ""
    return f"{change.get('action')} {resource.get('kind')} {change.get('name')}{of}"


def decision_text(decision: "Decision") -> str:
    """Return who decided what, when and why."""
    by = f" by {decision.who}" if decision.who else ""
    why = f": {decision.why}" if decision.why else ""
    return f"{decision.verdict.value}{by} at {decision.at:%Y-%m-%d %H:%M:%S %Z}{why}"
