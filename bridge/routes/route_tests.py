"""Unit tests of routes, in YAML files (``*_test.yaml``) in the folder of the routes file.

::

    tests:
      - name: a request in Python starts the pipeline
        given:
          topic: events.code-generation.requested     # default: derived from the type
          event: {id: "42", type: com.example.orders.placed.v1, data: {…}}
        expect:
          - route: code-generation
            operation: start
            id: code-generation/<uid>                 # <uid> and <id> are the event's
            input: {prompt: …}

A message of a source is given instead of an event, and the event's attributes may be expected too::

    given: {message: {stream: ORDERS, subject: orders.created, data: {…}}}
    event: {id: A1/paid}
    dead_letter: no such key      # instead: a part of the reason

``expect`` lists all dispatches, in any order; an empty list means that no route matches the event.
Only the named fields of a dispatch are compared. `run` is pure.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import unified_diff
from pathlib import Path
from typing import Any, Literal

import msgspec
import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from bridge.errors import DecodeError, RoutesError, SubjectError
from bridge.operations.targets import OLD_NAME
from bridge.routes.given import Given, attribute_difference
from bridge.routes.positions import Document, Place, read_document
from bridge.routes.table import PlannedDispatch, RouteTable
from eventstore.events import Event

PATTERN = "*_test.yaml"
_WIDTH = 10_000


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Expected(_Model):
    """One expected dispatch; fields that are not named are not compared."""

    route: str
    operation: str | None = None
    id: str | None = None
    """The workflow id."""
    key: str | None = None
    window: str | None = None
    """The key of the window that it joins."""
    slot: str | None = None
    """The key of the slot that it needs."""
    namespace: str | None = None
    """The namespace that the route names; empty: the default one."""
    input: Any = None
    """The workflow's input."""
    argument: Any = None
    """The data of the signal or update."""
    call: Mapping[str, Any] | None = None
    """Other fields of the planned call, as ``routes explain`` shows them."""
    state: Literal["open", "dead"] = "open"
    error: str | None = None
    """A part of the error, if the state is ``dead``."""


class RouteTest(_Model):
    """One test."""

    name: str
    given: Given
    expect: tuple[Expected, ...] = ()
    event: Mapping[str, Any] | None = None
    """Attributes that the event has which the message becomes."""
    dead_letter: str | None = None
    """A part of the reason why the message becomes a dead letter."""

    @model_validator(mode="after")
    def _something(self) -> "RouteTest":
        if not {"expect", "event", "dead_letter"} & self.model_fields_set:
            raise ValueError("expect is missing; [] if no route matches")
        if self.dead_letter is not None and (self.expect or self.event):
            raise ValueError("a dead letter has neither dispatches nor attributes")
        return self


class _File(_Model):
    tests: tuple[RouteTest, ...] = Field(min_length=1)


@dataclass(frozen=True, slots=True)
class RouteTestResult:
    """The outcome of one test."""

    file: Path
    place: Place | None
    name: str
    difference: str = ""
    """Lines of a diff, or why the test could not run; empty if it passed."""

    @property
    def passed(self) -> bool:
        """Whether the plan is as expected."""
        return not self.difference


def run_file(table: RouteTable, path: Path) -> Iterator[RouteTestResult]:
    """Run the tests of one file.

    Raises:
        RoutesError: It cannot be read, or is not a valid tests file.
    """
    document = read_document(path, "tests file")
    try:
        tests = _File.model_validate(document.content).tests
    except ValidationError as error:
        raise RoutesError(_say(document, error)) from None
    for index, case in enumerate(tests):
        place = document.place(("tests", index))
        difference = _ambiguous(document, index, case) or run(table, case)
        yield RouteTestResult(path, place, case.name, difference)


def _ambiguous(document: Document, index: int, case: RouteTest) -> str:
    """Return an error for an attribute whose YAML spelling differs from its value."""
    members = case.given.event or {}
    for name in members.keys() - {"data"}:
        written = document.written_otherwise(("tests", index, "given", "event", name))
        if written is not None:
            return f"given: {name}: {written} is read as {members[name]}; put it in quotes"
    return ""


def run(table: RouteTable, case: RouteTest) -> str:
    """Run one test and return how the plan differs from the expectation."""
    try:
        topic, event = case.given.read(table)
    except (DecodeError, SubjectError) as error:
        if case.dead_letter is not None and case.dead_letter in str(error):
            return ""
        return f"given: {error}"
    if case.dead_letter is not None:
        return f"the message becomes an event, not a dead letter ({case.dead_letter})"
    difference = attribute_difference(event, case.event or {})
    if difference or "expect" not in case.model_fields_set:
        return difference
    violation = table.schemas.check(event)
    if violation is not None:
        return f"given: the event violates the schema of its type: {violation}"
    planned = {plan.route: plan for plan in table.plan(topic, event)}
    wanted, actual = [], []
    for expected in sorted(case.expect, key=lambda each: each.route):
        want = _wanted(expected, event)
        wanted.append(want)
        plan = planned.pop(expected.route, None)
        if plan is not None:
            actual.append(_actual(plan, event, want))
    actual += [
        {"route": name, "operation": planned[name].operation} for name in sorted(planned)
    ]
    return _difference(wanted, actual)


def shown(plan: PlannedDispatch, event: Event) -> dict[str, Any]:
    """Return a planned dispatch in readable form."""
    call = msgspec.json.decode(plan.call)
    data = _data(event)
    seen = {
        "route": plan.route,
        "operation": plan.operation,
        "state": plan.state,
        "namespace": plan.namespace,
        "id": plan.target,
        "key": plan.key,
        "request_id": str(plan.request_id),
    }
    if plan.state == "dead":
        return {**seen, "error": plan.error}
    if plan.flow is not None and plan.flow.window is not None:
        seen["window"] = plan.flow.window.key
    if plan.flow is not None and plan.flow.slot is not None:
        seen["slot"] = plan.flow.slot.key
    if "workflow" in call or "start" in call:
        seen["input"] = {**call, **call.get("start", {})}.get("input", data)
    if plan.operation in ("signal", "signal_with_start", "update", "update_with_start"):
        seen["argument"] = call.get("argument", {}).get("value", data)
    return {**seen, "call": call}


def _wanted(expected: Expected, event: Event) -> dict[str, Any]:
    named = expected.model_dump(exclude_unset=True)
    filled: dict[str, Any] = _filled(named, {"<uid>": str(event.uid), "<id>": event.id})
    if "call" in filled:
        filled["call"] = _renamed(filled["call"])
    return {"state": expected.state, **filled} if expected.state != "open" else filled


def _renamed(call: Any) -> Any:
    """Return an expected call with renamed keys under their current names."""
    if not isinstance(call, Mapping):
        return call
    return {
        "when_missing" if name == OLD_NAME else name: _renamed(each)
        for name, each in call.items()
    }


def _filled(value: Any, places: Mapping[str, str]) -> Any:
    match value:
        case str():
            for name, text in places.items():
                value = value.replace(name, text)
            return value
        case Mapping():
            return {name: _filled(each, places) for name, each in value.items()}
        case list() | tuple():
            return [_filled(each, places) for each in value]
        case _:
            return value


def _actual(plan: PlannedDispatch, event: Event, want: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a plan that the test names, and an unexpected state."""
    seen = shown(plan, event)
    actual = {name: seen.get(name) for name in want}
    if "call" in want:
        actual["call"] = _part(seen.get("call", {}), want["call"])
    if "error" in want and want["error"] in (plan.error or ""):
        actual["error"] = want["error"]
    if plan.state != want.get("state", "open"):
        actual |= {"state": plan.state, "error": plan.error}
    return actual


def _part(value: Any, like: Any) -> Any:
    if isinstance(value, Mapping) and isinstance(like, Mapping):
        return {name: _part(value[name], like[name]) for name in like if name in value}
    return value


def _difference(wanted: Sequence[Any], actual: Sequence[Any]) -> str:
    actual = sorted(actual, key=lambda each: str(each["route"]))
    if wanted == actual:
        return ""
    lines = unified_diff(
        _lines(wanted), _lines(actual), "expected", "planned", lineterm="", n=100
    )
    return "\n".join(line for line in lines if not line.startswith("@@"))


def _lines(dispatches: Sequence[Any]) -> list[str]:
    if not dispatches:
        return ["(no dispatch)"]
    text = yaml.safe_dump(list(dispatches), sort_keys=True, allow_unicode=True, width=_WIDTH)
    return text.splitlines()


def _data(event: Event) -> Any:
    if event.data is None or not event.has_json_data:
        return None
    return msgspec.json.decode(event.data)


def _say(document: Document, error: ValidationError) -> str:
    lines = []
    for detail in error.errors(include_url=False):
        unknown = detail["type"] == "extra_forbidden"
        where = ".".join(str(part) for part in detail["loc"]) or "the file"
        lines.append(
            document.say(
                document.place(detail["loc"], key=unknown), f"{where}: {detail['msg']}"
            )
        )
    return "\n".join(lines)
