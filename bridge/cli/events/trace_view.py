"""A trace as a tree for people: one line for each event, dispatch and dead letter, with times."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from rich.tree import Tree

from bridge.cli.events.explain_view import handy, line, style_of
from bridge.cli.words import age, clock, short, span
from bridge.inspect.explanation import Dispatched, Happened, Trace


def tree_of_trace(trace: Trace) -> Tree:
    """Render a trace."""
    first = trace.event
    tree = Tree(
        line(
            ("bold", first.topic or first.type),
            ("", first.id),
            ("dim", age(first.recorded_at, trace.at)),
        )
    )
    tree.add(line(("dim", f"uid {short(first.uid)}, {clock(first.recorded_at)}")))
    _Branches(first.recorded_at, trace.asked).add_consequences(tree, first)
    for remark in trace.remarks:
        tree.add(line(("yellow", f"note: {remark}")))
    return tree


@dataclass(frozen=True)
class _Branches:
    """Adds what an event caused to a tree; times count from ``origin``."""

    origin: datetime
    asked: UUID

    def add_consequences(self, tree: Tree, event: Happened) -> None:
        for dispatch in event.dispatches:
            self._add_dispatch(tree, dispatch)
        for letter in event.letters:
            tree.add(
                line(
                    ("dim", self._since(letter.recorded_at)),
                    ("red" if letter.state == "open" else "", f"dead letter {letter.id}"),
                    ("", f"{letter.state}: {letter.stage} {letter.code}{_by(letter.route)}"),
                )
            )
        for child in event.events:
            self._add_event(tree, child)

    def _add_dispatch(self, tree: Tree, dispatch: Dispatched) -> None:
        run = dispatch.run
        status = "" if run is None else f"run {run.status}"
        ended = dispatch.settled_at or dispatch.planned_at
        branch = tree.add(
            line(
                ("dim", self._since(ended)),
                ("bold", f"{dispatch.operation} {dispatch.target or '(no target)'}"),
                ("", f"by {dispatch.route}:"),
                (style_of(dispatch.state), f"{dispatch.state}{',' if status else ''}"),
                (style_of("" if run is None else run.status), status),
            )
        )
        for words in (dispatch.together, dispatch.slot):
            if words is not None and words not in dispatch.holds:
                branch.add(line(("dim", words)))
        for reason in dispatch.holds:
            branch.add(line(("yellow", reason)))
        if dispatch.error:
            branch.add(line(("red", dispatch.error)))
        for child in dispatch.events:
            self._add_event(branch, child)

    def _add_event(self, tree: Tree, event: Happened) -> None:
        branch = tree.add(
            line(
                ("dim", self._since(event.recorded_at)),
                ("bold", event.topic or event.type),
                ("", handy(event)),
                *([("cyan", "← asked for")] if event.uid == self.asked else []),
            )
        )
        if event.reason:
            branch.add(line(("", event.reason)))
        self.add_consequences(branch, event)

    def _since(self, moment: datetime) -> str:
        return f"+{span((moment - self.origin).total_seconds())}"


def _by(route: str | None) -> str:
    return f" by {route}" if route else ""
