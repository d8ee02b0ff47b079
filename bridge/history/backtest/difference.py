"""Compares the plans of one event by two tables of routes. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

import msgspec
from msgspec.structs import replace

from bridge.routes.route_tests import shown
from bridge.routes.table import PlannedDispatch
from eventstore.events import Event

Kind = Literal["additional", "no longer", "id", "key", "input", "call", "dead letter"]
"""How two plans differ: only the new routes plan it, only the old ones do, both with another target
workflow id, key, input (of a start) or argument (of a signal or update), or otherwise another call;
or one of them gives a dead letter."""

KINDS: Mapping[Kind, str] = {
    "additional": "would be called in addition",
    "no longer": "would be called no longer",
    "id": "would be called with another workflow id",
    "key": "would be called under another key",
    "input": "would be called with another input",
    "call": "would be called in another way",
    "dead letter": "would become a dead letter, or would no longer",
}

_DECIDED = (
    "namespace",
    "operation",
    "starts",
    "wait_for",
    "give_up_attempts",
    "give_up_seconds",
)
"""Members of a plan that decide how its call is made."""


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """How the plans of one event by one route differ."""

    route: str
    kinds: tuple[Kind, ...]
    """In the order of `KINDS`; never empty."""
    before: PlannedDispatch | None
    after: PlannedDispatch | None


def differences(
    event: Event, before: Sequence[PlannedDispatch], after: Sequence[PlannedDispatch]
) -> Iterator[Difference]:
    """Yield the differences between the plans of one event, by route, in the new routes' order.

    Routes are matched by name, so a renamed route is planned no longer and in addition: its request
    ids differ.
    """
    old = {plan.route: plan for plan in before}
    new = {plan.route: plan for plan in after}
    for name in (*new, *(name for name in old if name not in new)):
        kinds = tuple(_kinds(event, old.get(name), new.get(name)))
        if kinds:
            yield Difference(route=name, kinds=kinds, before=old.get(name), after=new.get(name))


def _kinds(
    event: Event, before: PlannedDispatch | None, after: PlannedDispatch | None
) -> Iterator[Kind]:
    if before is None:
        yield "additional"
        return
    if after is None:
        yield "no longer"
        return
    if before == replace(after, route_digest=before.route_digest):
        return  # by far the most: their calls need not be read
    if (before.state, before.error) != (after.state, after.error):
        yield "dead letter"
        return
    if before.target != after.target:
        yield "id"
    if before.key != after.key:
        yield "key"
    if _inputs(before, event) != _inputs(after, event):
        yield "input"
    if _way(before) != _way(after):
        yield "call"


def _inputs(plan: PlannedDispatch, event: Event) -> tuple[Any, Any]:
    readable = shown(plan, event)
    return readable.get("input"), readable.get("argument")


def _way(plan: PlannedDispatch) -> tuple[Any, ...]:
    """Return how the call is made: everything but its input."""
    call = _without_input(msgspec.json.decode(plan.call))
    return (call, _together(plan), *(getattr(plan, name) for name in _DECIDED))


def _together(plan: PlannedDispatch) -> tuple[str, str] | None:
    """Return the window whose events are given with this one; which they are is simulated."""
    window = None if plan.flow is None else plan.flow.window
    return None if window is None or not window.gives_all else (window.key, window.target)


def _without_input(call: Mapping[str, Any]) -> dict[str, Any]:
    rest = {name: value for name, value in call.items() if name != "input"}
    if isinstance(argument := rest.get("argument"), Mapping):
        rest["argument"] = argument.get("bare", False)
    if isinstance(start := rest.get("start"), Mapping):
        rest["start"] = _without_input(start)
    return rest
