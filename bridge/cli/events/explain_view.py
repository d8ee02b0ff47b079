"""Output of an explanation: a tree for people, or JSON."""

import sys
from collections.abc import Iterable, Sequence
from datetime import datetime

import msgspec
from rich.text import Text
from rich.tree import Tree

from bridge.cli.common import note
from bridge.cli.printer import Output, Printer
from bridge.cli.words import age, both, clock, short, span
from bridge.dead_letters.store import Letter
from bridge.inspect.explanation import (
    Dispatched,
    Explanation,
    Happened,
    RouteNote,
)
from bridge.inspect.message_answers import MessageAnswer
from bridge.inspect.question import Found
from bridge.runtime.terminal import console, escaped, print_text
from eventstore.events import StoredEvent

_ROUTES_SHOWN = 20
_HANDY = 24
_OTHER_SUBJECT = "from: "
"""With this begins why a route does not match whose subject is another."""
_PIPE_WIDTH = 10_000
_GOOD = frozenset({"done", "duplicate", "completed", "running", "matched"})
_BAD = frozenset({"dead", "collision", "failed", "terminated", "timed-out", "conflict"})


def print_explanation(explanation: Explanation, output: Output | None) -> None:
    """Print an explanation as a tree or JSON."""
    print_tree(explanation, tree_for(explanation), output)


def print_tree(answer: msgspec.Struct, tree: Tree, output: Output | None) -> None:
    """Print an answer as a tree, in a terminal and in a pipe, or as JSON or YAML."""
    if output in ("json", "ndjson", "yaml"):
        Printer(output).one(answer)
    else:
        # In a pipe no line is cut or wrapped.
        width = None if sys.stdout.isatty() else _PIPE_WIDTH
        console(width=width).print(tree)


def print_explanations(explanations: Sequence[Explanation], output: Output) -> None:
    """Print several explanations as one list of JSON or YAML, or one JSON object a line."""
    if output == "ndjson":
        for each in explanations:
            Printer(output).one(each)
    else:
        Printer(output).one(explanations)


def tell_never_seen(
    wanted: str | None, found: Found, letters: Sequence[Letter], output: Output | None
) -> None:
    """Print that the event is not in the store, and which dead letters mention it."""
    deleted = found.deleted_before
    if output in ("json", "ndjson", "yaml"):
        Printer(output).one({"event": None, "letters": letters, "deleted_before": deleted})
    if wanted is None:
        note("no event meets the condition")
    elif deleted is None:
        note(
            f"no event {wanted!r} was recorded, nor one of such a correlation, workflow or subject"
        )
    else:
        note(
            f"the store has no event {wanted!r}, nor one of such a correlation, workflow or subject"
        )
    if deleted is not None:
        note(
            f"rows of events that were recorded before {clock(deleted)} were deleted, and it may be one of "
            "them; see 'ntbridge store removals'"
        )
    for letter in letters:
        note(
            f"but dead letter {letter.id} ({letter.state}, {letter.stage} {letter.code}) mentions "
            f"it: {letter.reason}; see 'ntbridge dead-letters show {letter.id}'",
        )


def tell_answers(
    stream: str, sequence: int, answers: Sequence[MessageAnswer], output: Output | None
) -> None:
    """Print what became of a message that is not a recorded event."""
    if output in ("json", "ndjson", "yaml"):
        Printer(output).one({"event": None, "answers": answers})
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


def tree_for(explanation: Explanation) -> Tree:
    """Render an explanation for people."""
    event, now = explanation.event, explanation.at
    tree = Tree(line(("bold", event.id), ("", event.type), ("dim", f"from {event.source}")))
    _lines(
        tree,
        f"uid {event.uid}",
        f"{event.origin} on {event.topic}" if event.topic else event.origin,
        f"recorded {both(event.recorded_at, now)}, position {event.position}, "
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
            line(
                ("", f"delivery {delivery.stream} sequence {delivery.sequence}"),
                (style_of(delivery.verdict), delivery.verdict),
                ("dim", clock(delivery.recorded_at)),
            )
        )
    _add_routes(tree, explanation.routes)
    _add_consequences(tree, event, now)
    for remark in explanation.remarks:
        tree.add(line(("yellow", f"note: {remark}")))
    return tree


def _add_routes(tree: Tree, routes: Sequence[RouteNote]) -> None:
    relevant = [each for each in routes if each.today != "not matched" or each.note]
    silent = [
        each
        for each in routes
        if each not in relevant and not each.reason.startswith(_OTHER_SUBJECT)
    ]
    shown = [*relevant, *silent[: max(0, _ROUTES_SHOWN - len(relevant))]]
    if not routes:
        return
    branch = tree.add("current routes")
    for route in shown:
        parts = [("bold", route.route), (style_of(route.today), route.today)]
        if route.reason:
            parts.append(("", f"({route.reason})"))
        if route.note:
            parts.append(("yellow", f"— {route.note}"))
        branch.add(line(*parts))
    if len(shown) < len(routes):
        branch.add(line(("dim", f"… and {len(routes) - len(shown)} more that do not match")))


def _add_consequences(tree: Tree, event: Happened, now: datetime) -> None:
    for dispatch in event.dispatches:
        _add_dispatch(tree, dispatch, now)
    for letter in event.letters:
        where = f", route {letter.route}" if letter.route else ""
        branch = tree.add(
            line(
                ("red" if letter.state == "open" else "", f"dead letter {letter.id}"),
                ("", f"{letter.state}: {letter.stage} {letter.code}{where}"),
                ("dim", clock(letter.recorded_at)),
            )
        )
        _lines(branch, letter.reason)
    for child in event.events:
        _add_event(tree, child, now)


def _add_dispatch(tree: Tree, dispatch: Dispatched, now: datetime) -> None:
    again = f", generation {dispatch.generation}" if dispatch.generation > 1 else ""
    if dispatch.replay is not None:
        again += f", planned by replay {dispatch.replay}"
    branch = tree.add(
        line(
            ("bold", f"{dispatch.operation} {dispatch.target or '(no target)'}"),
            ("", f"in namespace {dispatch.namespace}" if dispatch.namespace else ""),
            ("", f"by route {dispatch.route}{again}:"),
            (style_of(dispatch.state), dispatch.state),
        )
    )
    times = f"planned {both(dispatch.planned_at, now)}"
    if dispatch.settled_at is not None:
        took = (dispatch.settled_at - dispatch.planned_at).total_seconds()
        times += f", settled {span(took)} later"
    attempts = f"{dispatch.attempts} attempt{'' if dispatch.attempts == 1 else 's'}"
    by = f" by {dispatch.daemon}" if dispatch.daemon else ""
    _lines(branch, f"{times}, {attempts}{by}")
    for words in (dispatch.together, dispatch.slot):
        if words is not None and words not in dispatch.holds:
            _lines(branch, words)
    for reason in dispatch.holds:
        branch.add(line(("yellow", reason)))
    if dispatch.error:
        branch.add(line(("red", dispatch.error)))
    run = dispatch.run
    if run is not None:
        detail = f"({run.detail})" if run.detail else ""
        branch.add(
            line(("", f"run {run.run_id}"), (style_of(run.status), run.status), ("", detail))
        )
    for child in dispatch.events:
        _add_event(branch, child, now)


def _add_event(tree: Tree, event: Happened, now: datetime) -> None:
    branch = tree.add(
        line(
            ("bold", event.topic or event.type),
            ("", handy(event)),
            ("dim", f"{age(event.recorded_at, now)}, position {event.position}"),
        )
    )
    if event.reason:
        _lines(branch, event.reason)
    _add_consequences(branch, event, now)


def line(*parts: tuple[str, str]) -> Text:
    """Return a line of styled parts with blanks between; texts are escaped."""
    text = Text()
    for style, part in parts:
        if part:
            text.append(" " if text else "").append(escaped(part), style=style)
    return text


def _lines(tree: Tree, *texts: str) -> None:
    for text in texts:
        tree.add(line(("", text)))


def handy(event: Happened) -> str:
    """Return the id of an event if it is short, else the beginning of its uid: ``explain`` takes both."""
    return event.id if len(event.id) <= _HANDY else short(event.uid)


def style_of(word: str) -> str:
    """Return the style of a state: of a dispatch, a run, a delivery or a route."""
    if word in _BAD:
        return "red"
    return "green" if word in _GOOD else "yellow"
