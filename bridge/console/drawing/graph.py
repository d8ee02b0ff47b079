"""The routes as a picture: subjects, routes, and the workflows that they reach, in three columns. Pure."""

from collections.abc import Sequence

import msgspec

from bridge.routes.lint.per_route import target_of
from bridge.routes.model import Route

WIDTH = 1000
ROW_HEIGHT = 44
_TOP = 30
_LEFT, _MIDDLE, _RIGHT = 10.0, 370.0, 730.0
BOX_WIDTH, BOX_HEIGHT = 260.0, 32.0


class Box(msgspec.Struct, frozen=True, kw_only=True):
    """A subject, a route or a workflow."""

    kind: str
    text: str
    x: float
    y: float


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """A curve from the right of one box to the left of another; ``verb`` as in ``start``."""

    x1: float
    y1: float
    x2: float
    y2: float
    verb: str
    kind: str

    @property
    def middle(self) -> float:
        """The horizontal middle."""
        return (self.x1 + self.x2) / 2


class Graph(msgspec.Struct, frozen=True, kw_only=True):
    """The picture."""

    boxes: list[Box]
    lines: list[Line]
    height: float


def draw_graph(routes: Sequence[Route]) -> Graph:
    """Return the picture of routes, in the order of the file."""
    subjects = _places([route.subject for route in routes], len(routes))
    targets = _places([_reached(route) for route in routes], len(routes))
    boxes = [Box(kind="subject", text=text, x=_LEFT, y=y) for text, y in subjects.items()]
    boxes += [Box(kind="workflow", text=text, x=_RIGHT, y=y) for text, y in targets.items()]
    lines = []
    for index, route in enumerate(routes):
        y = _y(index)
        boxes.append(Box(kind="route", text=route.name, x=_MIDDLE, y=y))
        lines.append(_line(_LEFT, subjects[route.subject], _MIDDLE, y, "", "in"))
        verb = route.operation.name.replace("_", " ")
        kind = "end" if verb in ("cancel", "terminate") else "out"
        lines.append(_line(_MIDDLE, y, _RIGHT, targets[_reached(route)], verb, kind))
    return Graph(boxes=boxes, lines=lines, height=_TOP + ROW_HEIGHT * max(1, len(routes)))


def _places(texts: Sequence[str], rows: int) -> dict[str, float]:
    """Return the places of different texts, each in the middle of its first and last use, not overlapping."""
    uses: dict[str, list[int]] = {}
    for index, text in enumerate(texts):
        uses.setdefault(text, []).append(index)
    places: dict[str, float] = {}
    lowest = 0.0
    for left, (text, rows_of) in zip(range(len(uses), 0, -1), uses.items(), strict=True):
        wanted = (rows_of[0] + rows_of[-1]) / 2
        row = min(max(wanted, lowest), float(rows - left))
        places[text] = _y(row)
        lowest = row + 1
    return places


def _y(row: float) -> float:
    return _TOP + ROW_HEIGHT * row


def _line(x1: float, y1: float, x2: float, y2: float, verb: str, kind: str) -> Line:
    half = BOX_HEIGHT / 2
    return Line(x1=x1 + BOX_WIDTH, y1=y1 + half, x2=x2, y2=y2 + half, verb=verb, kind=kind)


def _reached(route: Route) -> str:
    workflow = getattr(route.spec, "workflow", None)
    if workflow is not None:
        return str(workflow)
    _, target = target_of(route)
    return "workflow" if target is None else target.text
