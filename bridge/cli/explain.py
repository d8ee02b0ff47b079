"""``ntbridge events explain``: what became of an event."""

import json
import sys
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

import msgspec
from rich.console import Console
from rich.text import Text
from rich.tree import Tree

from bridge.cli import exits
from bridge.cli.common import DEFAULT_CONNECT, Connect, OutputFlag, note
from bridge.cli.exits import Exit
from bridge.cli.letters import harmless
from bridge.config import Settings
from bridge.dead_letters.kept import Letter
from bridge.errors import RoutesError
from bridge.history.explain import Explainer
from bridge.history.explanation import Dispatched, Explanation, Happened, RouteNote
from bridge.history.lookup import find_events
from bridge.routes.loading import load_routes
from bridge.routes.table import RouteTable
from bridge.storage import open_store
from bridge.temporal import connect as connect_temporal
from eventstore.events import StoredEvent

_ROUTES_SHOWN = 20
_PIPE_WIDTH = 10_000
_GOOD = frozenset({"done", "duplicate", "completed", "running", "matched"})
_BAD = frozenset({"dead", "collision", "failed", "terminated", "timed-out", "conflict"})


async def explain(
    id: str,  # noqa: A002 - what people call it
    *,
    source: str | None = None,
    output: OutputFlag = None,
    connect: Connect = DEFAULT_CONNECT,
) -> int:
    """Tell what became of an event.

    How it came in; which routes matched, or why not, evaluated again as the routes file is now
    and compared with what was recorded; each dispatch, and its run as it is now; the result
    events it led to; dead letters. Exit 1 if it was never recorded.

    Parameters
    ----------
    id:
        The event's id, or its uid.
    source:
        The event's source; needed where several sources have an event of this id.
    output:
        A tree for people, or json.
    """
    settings = connect.settings()
    async with open_store(settings, "ntbridge events explain") as (database, store):
        found = await find_events(database, store, id, source)
        explainer = Explainer(
            database, store, _routes(settings), await connect_temporal(settings.temporal)
        )
        if not found:
            return _never_seen(id, await explainer.mentions(id), output)
        if len(found) > 1:
            raise Exit(exits.USAGE, _ambiguous(id, found))
        explanation = await explainer.explain(found[0])
    if output in ("json", "ndjson"):
        _print_json(msgspec.to_builtins(explanation), output)
    else:
        # In a pipe nothing is cut or wrapped: each fact is a line.
        width = None if sys.stdout.isatty() else _PIPE_WIDTH
        Console(highlight=False, width=width).print(tree_for(explanation))
    return exits.OK


def _routes(settings: Settings) -> RouteTable | str:
    try:
        return load_routes(settings.routes)
    except RoutesError as error:
        return str(error)


def _never_seen(wanted: str, letters: Sequence[Letter], output: Any) -> int:
    if output in ("json", "ndjson"):
        _print_json({"event": None, "letters": msgspec.to_builtins(letters)}, output)
    note(f"no event {wanted!r} was ever recorded")
    for letter in letters:
        note(
            f"but dead letter {letter.id} ({letter.state}, {letter.stage} {letter.code}) speaks "
            f"of it: {harmless(letter.reason)}; see 'ntbridge dead-letters show {letter.id}'",
        )
    return exits.FAILED


def _ambiguous(wanted: str, found: Iterable[StoredEvent]) -> str:
    candidates = "".join(
        f"\n  --source {stored.event.source}  ({stored.event.type}, recorded "
        f"{stored.recorded_at.isoformat()}, uid {stored.uid})"
        for stored in found
    )
    return f"several sources have an event {wanted!r}; say which:{candidates}"


def _print_json(value: Any, output: Any) -> None:
    print(json.dumps(value, indent=2 if output == "json" else None))


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
    telling = [each for each in routes if each.today != "not matched" or each.note]
    silent = [each for each in routes if each.today == "not matched" and not each.note]
    shown = [*telling, *silent[: max(0, _ROUTES_SHOWN - len(telling))]]
    if not routes:
        return
    branch = tree.add("routes, as they are today")
    for route in shown:
        parts = [("bold", route.route), (_style(route.today), route.today)]
        if route.reason:
            parts.append(("", f"({route.reason})"))
        if route.note:
            parts.append(("yellow", f"— {route.note}"))
        branch.add(_line(*parts))
    if len(shown) < len(routes):
        branch.add(_line(("dim", f"… and {len(routes) - len(shown)} more do not match")))


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
    branch = tree.add(
        _line(
            ("bold", f"{dispatch.operation} {dispatch.target or '(no target)'}"),
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
    _add_consequences(branch, event)


def _line(*parts: tuple[str, str]) -> Text:
    text = Text()
    for style, part in parts:
        if part:
            text.append(" " if text else "").append(harmless(part), style=style)
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
