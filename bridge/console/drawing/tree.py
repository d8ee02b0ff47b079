"""The causation tree of an event with its times: an indented tree on the left, a time axis on the right. Pure."""

from collections.abc import Iterator
from datetime import datetime
from uuid import UUID

import msgspec

from bridge.dead_letters.store import Letter
from bridge.inspect.explanation import Dispatched, Happened

MAX_ROWS = 200
WIDTH = 1000
ROW_HEIGHT = 30
TOP = 34
_INDENT = 20
_AXIS_LEFT, _AXIS_RIGHT = 600.0, 960.0
_MIN_BAR = 3.0
_TICKS = 4
_MAX_INDENTED = 12
_CHARACTER = 7.4
"""The width of a character of the picture's font, about."""


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One event, dispatch or dead letter. ``x`` and ``y`` are where its text begins."""

    kind: str
    """``event``, ``dispatch`` or ``letter``."""
    title: str
    detail: str
    state: str
    href: str
    is_here: bool
    x: float
    y: float
    parent_x: float
    parent_y: float
    """Where the line from its parent begins; the same as its own place for the root."""
    begin: float
    width: float
    """Its bar on the time axis."""
    offset: float
    """Seconds since the root."""
    seconds: float
    """How long it took."""
    room: int
    """How many characters fit."""


class Tick(msgspec.Struct, frozen=True):
    """A label of the time axis."""

    x: float
    seconds: float


class Tree(msgspec.Struct, frozen=True, kw_only=True):
    """The picture."""

    rows: list[Row]
    ticks: list[Tick]
    height: float
    hidden: int
    """Rows that do not fit."""


class _Node(msgspec.Struct, kw_only=True):
    kind: str
    title: str
    detail: str
    state: str
    href: str
    depth: int
    parent: int | None
    begin: datetime
    end: datetime | None = None
    """None: it has no duration."""
    uid: UUID | None = None

    @property
    def until(self) -> datetime:
        """When it ended."""
        return self.end or self.begin


def draw_tree(root: Happened, here: UUID) -> Tree:
    """Return the picture of an event and all that it caused; ``here`` is the event to mark."""
    nodes: list[_Node] = []
    _add_event(nodes, root, 0, None)
    shown = nodes[:MAX_ROWS]
    first = min(node.begin for node in shown)
    span = max((max(node.until for node in shown) - first).total_seconds(), 1e-3)
    scale = (_AXIS_RIGHT - _AXIS_LEFT) / span

    def x_of(node: _Node) -> float:
        return 14.0 + _INDENT * min(node.depth, _MAX_INDENTED)

    def y_of(index: int) -> float:
        return TOP + ROW_HEIGHT * index + ROW_HEIGHT / 2

    rows = []
    for index, node in enumerate(shown):
        parent = index if node.parent is None else node.parent
        begin = _AXIS_LEFT + (node.begin - first).total_seconds() * scale
        took = (node.until - node.begin).total_seconds()
        rows.append(
            Row(
                kind=node.kind,
                title=node.title,
                detail=node.detail,
                state=node.state,
                href=node.href,
                is_here=node.uid == here,
                x=x_of(node),
                y=y_of(index),
                parent_x=x_of(shown[parent]),
                parent_y=y_of(parent),
                begin=round(begin, 1),
                width=round(max(took * scale, _MIN_BAR), 1),
                offset=(node.begin - first).total_seconds(),
                seconds=took,
                room=int((_AXIS_LEFT - 40 - x_of(node)) / _CHARACTER),
            )
        )
    ticks = [
        Tick(_AXIS_LEFT + (_AXIS_RIGHT - _AXIS_LEFT) * step / _TICKS, span * step / _TICKS)
        for step in range(_TICKS + 1)
    ]
    return Tree(
        rows=rows,
        ticks=ticks,
        height=TOP + ROW_HEIGHT * len(rows) + 8,
        hidden=len(nodes) - len(shown),
    )


def _add_event(nodes: list[_Node], event: Happened, depth: int, parent: int | None) -> None:
    index = len(nodes)
    node = _Node(
        kind="event",
        title=event.topic or event.type,
        detail=event.id,
        state=event.origin,
        href=f"/events/{event.uid}",
        depth=depth,
        parent=parent,
        begin=event.recorded_at,
        uid=event.uid,
    )
    nodes.append(node)
    for dispatch in event.dispatches:
        nodes.append(_dispatch_node(dispatch, depth + 1, index))
        at = len(nodes) - 1
        for child in dispatch.events:
            _add_event(nodes, child, depth + 2, at)
    nodes += [_letter_node(letter, depth + 1, index) for letter in event.letters]
    for child in event.events:
        _add_event(nodes, child, depth + 1, index)


def _dispatch_node(dispatch: Dispatched, depth: int, parent: int) -> _Node:
    status = "" if dispatch.run is None else f", run {dispatch.run.status}"
    return _Node(
        kind="dispatch",
        title=f"{dispatch.operation} {dispatch.target or '(no target)'}",
        detail=f"{dispatch.route}: {dispatch.state}{status}",
        state=dispatch.state,
        href=f"#dispatch-{dispatch.id}",
        depth=depth,
        parent=parent,
        begin=dispatch.planned_at,
        end=dispatch.settled_at,
    )


def _letter_node(letter: Letter, depth: int, parent: int) -> _Node:
    return _Node(
        kind="letter",
        title=f"dead letter {letter.id}",
        detail=f"{letter.stage} {letter.code}",
        state=letter.state,
        href=f"/dead-letters/{letter.id}",
        depth=depth,
        parent=parent,
        begin=letter.recorded_at,
    )


def all_dispatches(root: Happened) -> Iterator[tuple[Happened, Dispatched]]:
    """Yield every dispatch of a tree with the event that it is of."""
    for dispatch in root.dispatches:
        yield root, dispatch
        for child in dispatch.events:
            yield from all_dispatches(child)
    for child in root.events:
        yield from all_dispatches(child)
