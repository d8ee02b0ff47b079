"""Draws routes as a Mermaid flow chart. Pure."""

from collections.abc import Iterator, Sequence

from bridge.routes.lint.per_route import target_of
from bridge.routes.model import Route

_ARROWS = {"cancel": "-. cancel .->", "terminate": "-. terminate .->"}
_SIGNS = {'"': "#quot;", "<": "#lt;", ">": "#gt;", "#": "#35;"}


def draw(routes: Sequence[Route]) -> str:
    """Return a flow chart of subjects, routes and the workflows that they reach."""
    return "\n".join(["graph LR", *(f"  {line}" for line in _lines(routes))])


def _lines(routes: Sequence[Route]) -> Iterator[str]:
    subjects: dict[str, str] = {}
    workflows: dict[str, str] = {}
    for number, route in enumerate(routes, 1):
        subject = subjects.setdefault(route.subject, f"s{len(subjects) + 1}")
        label = _reached(route)
        workflow = workflows.setdefault(label, f"w{len(workflows) + 1}")
        arrow = _ARROWS.get(route.operation.name, f"-- {_verb(route)} -->")
        yield f'r{number}["{_text(_conditions(route))}"]'
        yield f"{subject} --> r{number} {arrow} {workflow}"
    for text, name in subjects.items():
        yield f'{name}(["{_text(text)}"])'
    for text, name in workflows.items():
        yield f'{name}[["{_text(text)}"]]'


def _conditions(route: Route) -> str:
    parts = [route.name, *filter(None, (route.type, route.source))]
    parts += [f"{name} = {value}" for name, value in route.extensions.items()]
    if route.when is not None:
        parts.append(route.when.text)
    return "\n".join(parts)


def _verb(route: Route) -> str:
    name = getattr(route.spec, route.operation.name, "")
    words = [*route.operation.name.split("_"), name]
    return f'"{_text(" ".join(filter(None, words)))}"'


def _reached(route: Route) -> str:
    workflow = getattr(route.spec, "workflow", None)
    if workflow is not None:
        return str(workflow)
    _, target = target_of(route)
    return "workflow" if target is None else target.text


def _text(text: str) -> str:
    escaped = "".join(_SIGNS.get(sign, sign) for sign in text)
    return escaped.replace("\n", "<br>")
