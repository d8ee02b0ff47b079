"""The pure part of a saga: what is run, in which order, and what is said of it."""

import asyncio
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st
from temporalio.exceptions import ApplicationError

from tests.unit.workflows.platform.failures import activity_error
from workflows.errors import PermanentError
from workflows.messages.message import Message
from workflows.messages.undoing import UndoReport
from workflows.platform.saga import NOTHING_UNDONE, Compensation, unwind


class Answer(Message):
    removed: int


@dataclass(frozen=True)
class Script:
    """How a compensation behaves: it answers, or fails with an error."""

    what: str
    fails: Exception | None

    def compensation(self, tried: list[str]) -> Compensation:
        async def run() -> Message:
            tried.append(self.what)
            await asyncio.sleep(0)
            if self.fails is not None:
                raise self.fails
            return Answer(removed=len(self.what))

        return Compensation(self.what, run)


FAILURES = st.sampled_from(
    [
        PermanentError("never"),
        ApplicationError("refused", type="Refused"),
        activity_error(ApplicationError("locked", type="LockedError")),
    ]
)
SCRIPTS = st.lists(
    st.builds(Script, what=st.text(min_size=1, max_size=12), fails=st.none() | FAILURES),
    max_size=8,
)


def run(scripts: list[Script]) -> tuple[UndoReport, list[str]]:
    tried: list[str] = []
    report = asyncio.run(unwind([script.compensation(tried) for script in scripts]))
    return report, tried


@given(SCRIPTS)
def test_each_is_run_once_in_order_whatever_becomes_of_the_others(
    scripts: list[Script],
) -> None:
    _, tried = run(scripts)
    assert tried == [script.what for script in scripts]


@given(SCRIPTS)
def test_the_report_tells_of_each_what_became_of_it(scripts: list[Script]) -> None:
    report, _ = run(scripts)
    assert [each.what for each in report.undone] == [s.what for s in scripts if not s.fails]
    assert [each.what for each in report.left_behind] == [s.what for s in scripts if s.fails]
    assert all(each.answer == {"removed": len(each.what)} for each in report.undone)
    assert all(each.reason and each.error for each in report.left_behind)


def test_the_reason_is_what_went_wrong_inside() -> None:
    failing = Script("x", activity_error(ApplicationError("locked", type="LockedError")))
    left = run([failing])[0].left_behind[0]
    assert (left.reason, left.error) == ("locked", "LockedError")


@pytest.mark.parametrize("needed", [True, False])
@pytest.mark.parametrize("member", ["undone", "removed"])
def test_an_effect_whose_compensation_undid_nothing_is_left_behind(
    member: str, *, needed: bool
) -> None:
    class Said(Message):
        undone: bool | None = None
        removed: bool | None = None

    async def nothing() -> Message:
        return Said(**{member: False})

    compensation = Compensation("take it back", nothing)
    if needed:
        compensation.took_effect()
    report = asyncio.run(unwind([compensation]))
    assert [each.error for each in report.left_behind] == ([NOTHING_UNDONE] if needed else [])
    assert len(report.undone) == (0 if needed else 1)


def test_a_bug_is_not_swallowed() -> None:
    with pytest.raises(ZeroDivisionError):
        run([Script("first", None), Script("second", ZeroDivisionError("ours"))])
