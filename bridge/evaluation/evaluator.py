"""Decides where an event is evaluated: on the event loop or in a child process."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Self, get_args

import msgspec
import structlog
from msgspec.structs import replace
from typing_extensions import override

from bridge.cel import CelExpression, EventScope
from bridge.cel.cost import elements_of, size_of
from bridge.cloudevents.headers import Headers
from bridge.cloudevents.lineage import hops_of
from bridge.errors import DecodeError
from bridge.evaluation import messages
from bridge.evaluation.children import Children
from bridge.evaluation.messages import (
    Begun,
    Decoded,
    Held,
    NotAnEvent,
    Reply,
    RouteEvaluated,
    SchemaChecked,
    Task,
    Work,
    Worked,
)
from bridge.evaluation.process import ChildEndedError, ChildProcess, EndReason
from bridge.lifecycle.services import TaskService
from bridge.routes.table import (
    FIRST_GENERATION,
    PlannedDispatch,
    RouteResult,
    RouteTable,
    failed_verdict,
)
from bridge.sources import SourceMessage
from bridge.telemetry import NO_TELEMETRY, Telemetry
from eventstore.events import Event

log = structlog.get_logger(__name__)

INLINE_BYTES = 64 * 2**10
"""Maximum size of a message or event that is evaluated on the event loop.

Measured on one core of a small virtual machine, for data of small objects: 200 ns a byte for
decoding, schema, conversion to CEL and back, digest and row. That is 13 ms at this size, so a
machine three times slower stays below 50 ms.
"""
INLINE_SECONDS = 0.01
"""Maximum estimated time of the expressions of all routes that run on the event loop."""
_MAX_TRIES = 2
"""Attempts of a step whose child dies for a reason other than the step's limits."""
_CHILD_AFTER_SECONDS = 10.0
"""How long after its start a daemon has a child if no event needs one before. The imports of a child take half a
second of processor, and at its start a daemon and its backlog have better use for it."""
_MAX_STARTS = 5
"""Deaths of children before their first step, after which the evaluation fails."""


class Received(msgspec.Struct, frozen=True, kw_only=True):
    """A decoded event, with its schema violation or its plan."""

    event: Event
    violation: str | None = None
    """How its data violates the schema of its type."""
    plan: Sequence[PlannedDispatch] = ()
    digest: bytes | None = None
    """The event's digest if a child computed it: `eventstore.events.NewEvent.digest`."""


class Evaluator(TaskService):
    """Decodes, checks and plans events without blocking the event loop.

    It starts a child when the first event needs one; as a service also without, after a time.

    Args:
        start: Starts a child.
        telemetry: Counts the children that end.
        child_after: Seconds after which the service has a child.
    """

    def __init__(
        self,
        start: Callable[[], Awaitable[ChildProcess]] = ChildProcess.start,
        telemetry: Telemetry = NO_TELEMETRY,
        child_after: float = _CHILD_AFTER_SECONDS,
    ) -> None:
        super().__init__("evaluation")
        self._child_after = child_after
        self._children = Children(start)
        self._telemetry = telemetry
        for reason in get_args(EndReason):
            # Initialise the counter, so that the first increment shows in its rate.
            telemetry.evaluation_ended(reason, 0)

    @override
    async def run(self) -> None:
        """Have a child ready, after a time, until stopped."""
        try:
            self.ready()
            await self.pause(self._child_after)
            if not self.stopping.is_set():
                await self._children.have_one()
            await self.stopping.wait()
        finally:
            await self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    @property
    def pids(self) -> tuple[int, ...]:
        """The process ids of the children."""
        return self._children.pids

    async def close(self) -> None:
        """End all children; their current tasks fail."""
        await self._children.close()

    async def receive(
        self,
        routes: RouteTable,
        message: SourceMessage,
        max_hops: int,
    ) -> Received:
        """Decode a message as its source says, check its data and plan its dispatches.

        An event whose chain has passed the bridge more than ``max_hops`` times is only decoded.

        Raises:
            DecodeError: The message is not an event, or its decoding exceeds a limit.
        """
        headers = Headers.of(message.headers)
        decoder = routes.sources.decoder(message.stream, message.topic)
        costly = message.size > INLINE_BYTES or decoder.seconds(message) > INLINE_SECONDS
        # Invalid headers are refused before the payload is decoded, which is cheap.
        if costly and headers.fault is None:
            return await self._received(
                routes,
                Task(
                    topic=message.topic,
                    message=replace(message, headers=dict(headers)),
                    max_hops=max_hops,
                    check=True,
                    routes="candidates",
                ),
            )
        event = decoder.decode(message)
        if hops_of(event) > max_hops:
            return Received(event=event)
        violation = routes.schemas.check(event)
        if violation is not None:
            return Received(event=event, violation=violation)
        return Received(event=event, plan=await self.plan(routes, message.topic, event))

    async def check(self, routes: RouteTable, event: Event) -> str | None:
        """Return how an event's data violates the schema of its type; None if it does not."""
        if event.type not in routes.schemas.types:
            return None
        if size_of(event) <= INLINE_BYTES:
            return routes.schemas.check(event)
        task = Task(topic="", event=event, check=True)
        return (await self._received(routes, task)).violation

    async def plan(
        self, routes: RouteTable, topic: str, event: Event
    ) -> Sequence[PlannedDispatch]:
        """Return the planned dispatches of an event that came on this topic."""
        candidates = routes.candidates(topic, event.type)
        if not candidates:
            return ()
        size, elements = routes.sources.bounds(event)
        seconds = sum(route.seconds(size, elements) for route in candidates)
        if size <= INLINE_BYTES and seconds <= INLINE_SECONDS:
            return routes.plan_by(candidates, topic, event)
        task = Task(topic=topic, event=event, routes="candidates")
        return (await self._received(routes, task)).plan

    async def explain(
        self,
        routes: RouteTable,
        topic: str,
        event: Event,
        generation: int = FIRST_GENERATION,
    ) -> Sequence[RouteResult]:
        """Return the verdict of each route on an event, in the file's order."""
        size, elements = routes.sources.bounds(event)
        seconds = sum(route.seconds(size, elements) for route in routes.routes)
        if size <= INLINE_BYTES and seconds <= INLINE_SECONDS:
            return routes.explain(topic, event, generation)
        task = Task(topic=topic, event=event, routes="all", generation=generation)
        answers = await self._answers(routes, task)
        return [each.verdict for each in answers if isinstance(each, RouteEvaluated)]

    async def holds(self, condition: CelExpression, topic: str, event: Event) -> bool:
        """Return whether a condition is true; False if it fails or exceeds a limit."""
        size = size_of(event)
        if size <= INLINE_BYTES:
            seconds = condition.cost.seconds(size, elements_of(event))
            if seconds <= INLINE_SECONDS:
                return EventScope(event, topic).holds(condition)
        task = Task(topic=topic, event=event, condition=condition.text)
        answers = await self._answers(None, task)
        return any(each.holds for each in answers if isinstance(each, Held))

    async def work(self, function: Callable[[bytes], bytes], argument: bytes) -> bytes:
        """Call a function; a child calls it if the argument is large.

        It must be a function at module level, so that the child can import it, and never raise.

        Raises:
            ChildEndedError: The call exceeds a limit, or children die before it begins.
        """
        if len(argument) <= INLINE_BYTES:
            return function(argument)
        work = Work(function.__module__, function.__name__, argument)
        for answer in await self._answers(None, work):
            if isinstance(answer, Worked):
                return answer.result
        raise ValueError("the evaluating process gave no result")

    async def _received(self, routes: RouteTable, task: Task) -> Received:
        answers = await self._answers(routes, task)
        event, violation = task.event, None
        digest: bytes | None = None
        plan: list[PlannedDispatch] = []
        for answer in answers:
            match answer:
                case NotAnEvent(code=code, reason=reason):
                    raise DecodeError(code, reason)
                case Decoded(event=decoded, digest=digest):
                    event = decoded
                case SchemaChecked(violation=found):
                    violation = found
                case RouteEvaluated(verdict=verdict) if verdict.plan is not None:
                    plan.append(verdict.plan)
                case _:
                    continue
        if event is None:
            raise ValueError("the evaluating process gave no event and no reason")
        return Received(event=event, violation=violation, plan=plan, digest=digest)

    async def _answers(self, routes: RouteTable | None, task: Task | Work) -> list[Reply]:
        """Return the answers to all steps; a step that ends its children fails.

        Raises:
            ChildEndedError: Children die before they begin a step, so nothing can be evaluated.
        """
        found: list[Reply] = []
        deaths = 0
        died_in = ""
        while True:
            attempt = _Attempt(task, found)
            end = await self._attempt(routes, attempt)
            if end is None:
                return found
            task, step = attempt.task, attempt.step
            deaths = deaths + 1 if step == died_in else 1
            died_in = step
            self._telemetry.evaluation_ended(end.reason)
            about = task.function if isinstance(task, Work) else task.topic
            log.warning("evaluation.child_ended", step=step, about=about, reason=str(end))
            if not step and deaths >= _MAX_STARTS:
                raise end
            if not step or (not end.took_too_much and deaths < _MAX_TRIES):
                continue
            if isinstance(task, Work):
                raise end
            failure = _failure(routes, task, step, str(end))
            found.append(failure)
            if isinstance(failure, NotAnEvent | SchemaChecked):
                return found
            task = _without(task, step, failure)

    async def _attempt(
        self, routes: RouteTable | None, attempt: "_Attempt"
    ) -> ChildEndedError | None:
        """Run the rest of a task in one child; return why the child ended, or None."""
        definition = None if routes is None else routes.definition
        try:
            async with self._children.one() as child:
                async for answer in child.answers(definition, attempt.task):
                    if isinstance(answer, Begun):
                        attempt.step = answer.step
                    else:
                        attempt.found.append(answer)
                        attempt.task = _without(attempt.task, attempt.step, answer)
        except ChildEndedError as end:
            return end
        return None


@dataclass
class _Attempt:
    """The progress of a task in one child."""

    task: Task | Work
    """The rest of the task."""
    found: list[Reply]
    step: str = ""
    """The step that began last."""


def _without(task: Task | Work, step: str, answer: Reply) -> Task | Work:
    """Return the task without an answered step, for the next child."""
    if isinstance(task, Work):
        return task
    if isinstance(answer, Decoded):
        return replace(task, event=answer.event, message=None)
    return replace(task, done=task.done | {step})


def _failure(routes: RouteTable | None, task: Task, step: str, reason: str) -> Reply:
    match step:
        case messages.DECODE:
            return NotAnEvent("too-costly", f"the message cannot be decoded: {reason}")
        case messages.CHECK:
            return SchemaChecked(f"the data cannot be checked against its schema: {reason}")
        case messages.CONDITION:
            return Held(holds=False)
        case name if routes is not None and task.event is not None:
            route = routes.by_name[name]
            what = f"the evaluation of the expressions of route {name!r} was stopped: {reason}"
            return RouteEvaluated(failed_verdict(route, task.event, task.generation, what))
        case _:
            raise ValueError(f"the evaluating process began an unknown step {step!r}")
