"""Output of an explanation: a tree for people, or JSON."""

import sys
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

import msgspec
from rich.text import Text
from rich.tree import Tree

from bridge.cli.common import Output, note
from bridge.dead_letters.store import Letter
from bridge.inspect.explanation import (
    Dispatched,
    Explanation,
    Happened,
    RouteNote,
    waits_for,
)
from bridge.inspect.message_answers import MessageAnswer
from bridge.runtime.terminal import console, escaped, print_json, print_text
from eventstore.events import StoredEvent

_ROUTES_SHOWN = 20
_PIPE_WIDTH = 10_000
_GOOD = frozenset({"done", "duplicate", "completed", "running", "matched"})
_BAD = frozenset({"dead", "collision", "failed", "terminated", "timed-out", "conflict"})


def print_explanation(explanation: Explanation, output: Output | None) -> None:
    """Print an explanation as a tree or JSON."""
    if output in ("json", "ndjson"):
        _print_json(msgspec.to_builtins(explanation), output)
    else:
        # In a pipe no line is cut or wrapped.
        width = None if sys.stdout.isatty() else _PIPE_WIDTH
        console(width=width).print(tree_for(explanation))


def print_explanations(explanations: Sequence[Explanation], output: Output | None) -> None:
    """Print several explanations: trees, a JSON list, or one JSON object a line."""
    if output == "json":
        _print_json([msgspec.to_builtins(each) for each in explanations], output)
        return
    for each in explanations:
        print_explanation(each, output)


def tell_subject(subject: str, count: int, *, older: bool) -> None:
    """Say that the explanations are those of the events of a subject."""
    note(
        f"no event has the id {subject!r}; events with this subject: "
        + (f"the newest {count}" if older else f"{count}")
    )


def tell_never_seen(wanted: str, letters: Sequence[Letter], output: Output | None) -> None:
    """Print that the event was never recorded, and which dead letters mention it."""
    if output in ("json", "ndjson"):
        _print_json({"event": None, "letters": msgspec.to_builtins(letters)}, output)
    note(f"no event {wanted!r} was recorded")
    for letter in letters:
        note(
            f"but dead letter {letter.id} ({letter.state}, {letter.stage} {letter.code}) mentions "
            f"it: {letter.reason}; see 'ntbridge dead-letters show {letter.id}'",
        )


def tell_answers(
    stream: str, sequence: int, answers: Sequence[MessageAnswer], output: Output | None
) -> None:
    """Print what became of a message that is not a recorded event."""
    if output in ("json", "ndjson"):
        _print_json({"event": None, "answers": msgspec.to_builtins(answers)}, output)
        return
    if not answers:
        note(f"{stream} sequence {sequence}: intake has not recorded such a message")
    for each in answers:
        print_text(f"{stream} sequence {sequence}: {each.meaning}")


def ambiguous(wanted: str, found: Iterable[StoredEvent]) -> str:
    """Return the error for an id that several events have."""
    candidates = "".join(
        f"\n  --source {stored.event.source}  ({stored.event.type}, recorded "
        f"{stored.recorded_at.isoformat()}, uid {stored.uid})"
        for stored in found
    )
    return f"several sources have an event {wanted!r}; choose one:{candidates}"


def _print_json(value: Any, output: Output | None) -> None:
    encoded = msgspec.json.encode(value)
    print_json(
        (msgspec.json.format(encoded, indent=2) if output == "json" else encoded).decode()
    )


def tree_for(explanation: Explanation) -> Tree:
    """Render an explanation for people."""
    event = explanation.event
    tree = Tree(_line(("bold", event.id), ("", event.type), ("dim", f"from {event.source}")))
    _lines(
        tree,
        f"uid {event.uid}",
        f"{event.origin} on {event.topic}" if event.topic else event.origin,
        f"recorded {_at(event.recorded_at)}, position {event.position}, "
        f"{event.stream} version {event.version}",
        f"correlation {event.correlation_id}",
    )
    if event.made_by_source is not None:
        _lines(tree, f"made by source {event.made_by_source}: the message is not a CloudEvent")
    if explanation.caused_by is not None:
        cause = explanation.caused_by
        _lines(tree, f"caused by {cause.id} ({cause.type}), uid {cause.uid}")
    for delivery in explanation.deliveries:
        tree.add(
            _line(
                ("", f"delivery {delivery.stream} sequence {delivery.sequence}"),
                (_style(delivery.verdict), delivery.verdict),
                ("dim", _at(delivery.recorded_at)),
            )
        )
    _add_routes(tree, explanation.routes)
    _add_consequences(tree, event)
    for remark in explanation.remarks:
        tree.add(_line(("yellow", f"note: {remark}")))
    return tree


def _add_routes(tree: Tree, routes: Sequence[RouteNote]) -> None:
    relevant = [each for each in routes if each.today != "not matched" or each.note]
    silent = [each for each in routes if each.today == "not matched" and not each.note]
    shown = [*relevant, *silent[: max(0, _ROUTES_SHOWN - len(relevant))]]
    if not routes:
        return
    branch = tree.add("current routes")
    for route in shown:
        parts = [("bold", route.route), (_style(route.today), route.today)]
        if route.reason:
            parts.append(("", f"({route.reason})"))
        if route.note:
            parts.append(("yellow", f"— {route.note}"))
        branch.add(_line(*parts))
    if len(shown) < len(routes):
        branch.add(_line(("dim", f"… and {len(routes) - len(shown)} more that do not match")))


def _add_consequences(tree: Tree, event: Happened) -> None:
    for dispatch in event.dispatches:
        _add_dispatch(tree, dispatch)
    for letter in event.letters:
        where = f", route {letter.route}" if letter.route else ""
        branch = tree.add(
            _line(
                ("red" if letter.state == "open" else "", f"dead letter {letter.id}"),
                ("", f"{letter.state}: {letter.stage} {letter.code}{where}"),
                ("dim", _at(letter.recorded_at)),
            )
        )
        _lines(branch, letter.reason)
    for child in event.events:
        _add_event(tree, child)


def _add_dispatch(tree: Tree, dispatch: Dispatched) -> None:
    again = f", generation {dispatch.generation}" if dispatch.generation > 1 else ""
    if dispatch.replay is not None:
        again += f", planned by replay {dispatch.replay}"
    branch = tree.add(
        _line(
            ("bold", f"{dispatch.operation} {dispatch.target or '(no target)'}"),
            ("", f"in namespace {dispatch.namespace}" if dispatch.namespace else ""),
            ("", f"by route {dispatch.route}{again}:"),
            (_style(dispatch.state), dispatch.state),
        )
    )
    times = f"planned {_at(dispatch.planned_at)}"
    if dispatch.settled_at is not None:
        times += f", settled {_at(dispatch.settled_at)}"
    elif dispatch.attempts:
        times += f", next attempt {_at(dispatch.next_attempt_at)}"
    attempts = f"{dispatch.attempts} attempt{'' if dispatch.attempts == 1 else 's'}"
    by = f" by {dispatch.daemon}" if dispatch.daemon else ""
    _lines(branch, f"{times}, {attempts}{by}")
    waits = waits_for(
        state=dispatch.state,
        target=dispatch.target,
        waiting_until=dispatch.waiting_until,
        key=dispatch.key,
        ahead=dispatch.ahead,
    )
    if waits is not None:
        branch.add(_line(("yellow", f"waits for {waits}")))
    if dispatch.error:
        branch.add(_line(("red", dispatch.error)))
    run = dispatch.run
    if run is not None:
        detail = f"({run.detail})" if run.detail else ""
        branch.add(
            _line(("", f"run {run.run_id}"), (_style(run.status), run.status), ("", detail))
        )
    for child in dispatch.events:
        _add_event(branch, child)


def _add_event(tree: Tree, event: Happened) -> None:
    branch = tree.add(
        _line(
            ("bold", event.topic or event.type),
            ("", event.id),
            ("dim", f"{_at(event.recorded_at)}, position {event.position}"),
        )
    )
    if event.reason:
        _lines(branch, event.reason)
    _add_consequences(branch, event)


def _line(*parts: tuple[str, str]) -> Text:
    text = Text()
    for style, part in parts:
        if part:
            text.append(" " if text else "").append(escaped(part), style=style)
    return text


def _lines(tree: Tree, *lines: str) -> None:
    for line in lines:
        tree.add(_line(("", line)))


def _style(word: str) -> str:
    if word in _BAD:
        return "red"
    return "green" if word in _GOOD else "yellow"


def _at(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds")
