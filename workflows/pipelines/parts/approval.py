"""Asks people a question and waits for a valid answer.

.. code-block:: python

    decision = await ask(
        Question(
            about="io.quantum-suite.infra.approval",
            text="may 3 resources of production be destroyed?",
            may_answer=plan.approvers,
            signal="approval-answer",
            answer_with="io.quantum-suite.infra.approval-answered.v1",
            within=timedelta(hours=24),
        ),
        inbox=self.inbox,
        results=results,
    )
    if not decision.granted:
        ...

Result events, whose types begin with ``about``:

==========================  ================================================================
``….approval-requested``    the question: who may answer, until when, and with which event
``….approval-reminded``     no valid answer yet
``….approval-escalated``    no valid answer yet; more people may answer from now on
``….approval-refused``      an invalid answer, and why
``….approval-not-told``     a notification could not be sent; the question stays open
``….approval-granted``      the decision: who, when, why, and the id of the answering event
``….approval-denied``       the same
``….approval-timed-out``    no valid answer in time
==========================  ================================================================

So the store shows which questions are open: requested, not decided, and of a run that has not
ended (``ntbridge approvals ls``).

Valid answers
=============

An answer is an event that a route sends as the signal. It is valid if its data can be read, its
``who`` may answer, and it answers *this* question: it names the question, or it arrived after the
question was asked. Any other answer is refused and recorded; the question stays open.

**The event alone says who answers.** Nothing here can verify it: anyone who may publish on the
subject of the answers can answer for everyone on the list. Where that matters, give this
permission to one system that authenticates its users, and match its ``source`` in the route.
"""

import asyncio
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal

from pydantic import JsonValue, ValidationError
from temporalio import exceptions, workflow

from workflows.errors import EventTimedOutError
from workflows.messages.approvals import (
    Answer,
    AnswerRefused,
    ApprovalVerdict,
    Asked,
    Decision,
    Notification,
    NotTold,
    Reminder,
)
from workflows.messages.envelopes import Envelope
from workflows.messages.message import Message
from workflows.platform.effects import effect_key
from workflows.platform.failures import failure_of
from workflows.platform.inbox import EventInbox
from workflows.platform.result_events import ResultEvents
from workflows.steps import qinfra

Severity = Literal["info", "warning", "critical"]

MAX_REMINDERS = 50
"""Limit of reminders for one question."""

MAX_REFUSED_EVENTS = 100
"""Limit of refused answers that get an event; further ones are only counted.

A flood of invalid answers must not grow the history without bound."""


@dataclass(frozen=True, kw_only=True)
class Question:
    """A question, who may answer it, and for how long.

    Attributes:
        about: Prefix of the types of its events; they end with ``-requested.v1`` and so on.
        text: The question, for people.
        details: Data that people should see before they answer.
        may_answer: Who may answer.
        signal: The name of the signal that brings answers.
        answer_with: The type of the events that the route sends as this signal.
        takes: The model of their data.
        within: How long the question stays open.
        remind_every: How often people are reminded; None: never.
        escalate_after: When to ask those in ``escalate_to`` too; None: never.
        escalate_to: Who may answer too from then on.
        severity: How urgent it is.
    """

    about: str
    text: str
    may_answer: tuple[str, ...]
    signal: str
    answer_with: str
    within: timedelta
    details: JsonValue = None
    takes: type[Answer] = Answer
    remind_every: timedelta | None = None
    escalate_after: timedelta | None = None
    escalate_to: tuple[str, ...] = ()
    severity: Severity = "warning"

    @property
    def id(self) -> str:
        """The id by which answers name the question; unique across runs."""
        return f"{effect_key()}/{self.about.rpartition('.')[2]}"


async def ask(question: Question, *, inbox: EventInbox, results: ResultEvents) -> Decision:
    """Ask, and return the first valid answer, or a timeout.

    A run may call this once for each ``about``.

    Raises:
        asyncio.CancelledError: The run was cancelled.
    """
    asking = _Asking(question, inbox, results)
    try:
        return await asking.until_decided()
    finally:
        await asking.stop_notifying()


@dataclass
class _Asking:
    question: Question
    inbox: EventInbox
    results: ResultEvents
    opened: datetime = field(default_factory=workflow.now)
    may_answer: tuple[str, ...] = ()
    refused: int = 0
    early: frozenset[str] = frozenset()
    notifying: list[asyncio.Task[None]] = field(default_factory=list)

    async def until_decided(self) -> Decision:
        asked = self.question
        self.may_answer = asked.may_answer
        self.early = frozenset(
            arrival.envelope.key
            for arrival in self.inbox.waiting
            if arrival.name == asked.signal
        )
        await self._emit("requested", self._asked())
        self._notify_soon(asked.text, asked.may_answer)
        for moment, happens in agenda(self.opened, asked):
            while (envelope := await self._answer_before(moment, happens)) is not None:
                answer = self._read(envelope)
                if isinstance(answer, Answer):
                    return await self._decide(_decision_of(answer, envelope))
                await self._refuse(envelope, answer)
            if happens == "reminded":
                await self._remind()
            elif happens == "escalated":
                await self._escalate()
        return await self._decide({"verdict": ApprovalVerdict.TIMED_OUT})

    async def stop_notifying(self) -> None:
        for task in self.notifying:
            task.cancel()
        await asyncio.gather(*self.notifying, return_exceptions=True)

    async def _answer_before(self, moment: datetime, happens: str) -> Envelope | None:
        try:
            return await self.inbox.next(
                name=self.question.signal,
                timeout=moment - workflow.now(),
                summary=f"wait for {self.question.signal} until {happens}",
            )
        except EventTimedOutError:
            return None

    def _read(self, envelope: Envelope) -> Answer | str:
        """Return the answer, or why it is invalid."""
        try:
            answer = self.question.takes.model_validate(envelope.data)
        except ValidationError as error:
            return f"no answer: {_faults(error)}"
        if answer.request is not None and answer.request != self.question.id:
            return f"it answers {answer.request}, not {self.question.id}"
        if answer.request is None and envelope.key in self.early:
            return "it came before the question, and does not name it"
        if answer.who not in self.may_answer:
            return f"{answer.who} may not answer, only {', '.join(self.may_answer)}"
        return answer

    async def _decide(self, decided: dict[str, Any]) -> Decision:
        decision = Decision.model_validate(
            {
                "request": self.question.id,
                "at": workflow.now(),
                "refused": self.refused,
                **decided,
            }
        )
        await self._emit(decision.verdict.value, decision)
        return decision

    async def _refuse(self, envelope: Envelope, reason: str) -> None:
        self.refused += 1
        workflow.logger.warning("answer refused: %s %s", envelope.id, reason)
        if self.refused > MAX_REFUSED_EVENTS:
            return
        await self._emit("refused", refusal(envelope, reason, request=self.question.id))

    async def _remind(self) -> None:
        await self._emit("reminded", self._reminder())
        self._notify_soon(f"Reminder: {self.question.text}", self.may_answer)

    async def _escalate(self) -> None:
        others = self.question.escalate_to
        self.may_answer = tuple(dict.fromkeys((*self.may_answer, *others)))
        await self._emit("escalated", self._reminder())
        self._notify_soon(f"Escalated: {self.question.text}", others)

    def _notify_soon(self, text: str, people: tuple[str, ...]) -> None:
        """Start a notification without waiting for it: a slow receiver must not block the question."""
        notification = Notification(
            id=f"{self.question.id}/{len(self.notifying) + 1}",
            kind=f"{self.question.about}-requested.v1",
            title=text,
            text=f"Answer until {self._until:%Y-%m-%d %H:%M} UTC.",
            to=people,
            severity=self.question.severity,
            workflow_id=workflow.info().workflow_id,
            data=self._asked().model_dump(mode="json"),
        )
        self.notifying.append(asyncio.create_task(self._notify(notification)))

    async def _notify(self, notification: Notification) -> None:
        try:
            await qinfra.notify(notification, summary=f"notify {', '.join(notification.to)}")
        except exceptions.ActivityError as error:
            if exceptions.is_cancelled_exception(error):
                return
            reason = failure_of(error).reason
            workflow.logger.warning("notification not sent: %s", reason)
            not_told = NotTold(request=self.question.id, to=notification.to, reason=reason)
            await self._emit("not-told", not_told)

    async def _emit(self, word: str, message: Message) -> None:
        await self.results.emit(f"{self.question.about}-{word}.v1", message)

    @property
    def _until(self) -> datetime:
        return self.opened + self.question.within

    def _asked(self) -> Asked:
        return Asked(
            request=self.question.id,
            workflow_id=workflow.info().workflow_id,
            question=self.question.text,
            details=self.question.details,
            may_answer=self.may_answer,
            until=self._until,
            answer_with=self.question.answer_with,
        )

    def _reminder(self) -> Reminder:
        return Reminder(request=self.question.id, may_answer=self.may_answer, until=self._until)


def agenda(opened: datetime, question: Question) -> list[tuple[datetime, str]]:
    """Return the times of reminders, escalation and timeout, in order."""
    until = opened + question.within
    moments = [(until, "ended")]
    if question.remind_every is not None:
        every = question.remind_every
        times = (opened + number * every for number in range(1, MAX_REMINDERS + 1))
        moments += [(moment, "reminded") for moment in times if moment < until]
    if question.escalate_after is not None and question.escalate_to:
        moment = opened + question.escalate_after
        if moment < until:
            moments.append((moment, "escalated"))
    return sorted(moments)


def refusal(envelope: Envelope, reason: str, *, request: str | None) -> AnswerRefused:
    """Return the event data for a refused answer."""
    who = envelope.data.get("who") if isinstance(envelope.data, dict) else None
    return AnswerRefused(
        request=request,
        reason=reason,
        who=who if isinstance(who, str) else None,
        event=envelope.id,
        source=envelope.source,
        answer=envelope.data,
    )


def _decision_of(answer: Answer, envelope: Envelope) -> dict[str, Any]:
    return {
        "verdict": ApprovalVerdict.GRANTED if answer.approved else ApprovalVerdict.DENIED,
        "who": answer.who,
        "why": answer.why,
        "event": envelope.id,
        "source": envelope.source,
    }


def _faults(error: ValidationError) -> str:
    return "; ".join(
        f"{'.'.join(map(str, fault['loc'])) or 'the data'}: {fault['msg']}"
        for fault in error.errors(include_url=False, include_input=False)
    )


async def refuse_the_rest(inbox: EventInbox, results: ResultEvents, *, about: str) -> None:
    """Close the inbox at the end of a run; record late answers and signals that are not events."""
    late = [
        refusal(arrival.envelope, "it came too late: the question was decided", request=None)
        for arrival in await inbox.finish()
    ]
    unreadable = [
        AnswerRefused(reason=refused.reason, answer=refused.beginning)
        for refused in inbox.refused
    ]
    for each in (*late, *unreadable):
        await results.emit(f"{about}-refused.v1", each)
