"""Reading and checking a routes file."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from bridge.errors import RoutesError
from bridge.routes.model import Route
from bridge.routes.table import RouteTable


class _RoutesFile(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    routes: tuple[Route, ...]


def load_routes(path: Path) -> RouteTable:
    """Read and check a routes file.

    Raises:
        RoutesError: It cannot be read or says something that is not a route.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise RoutesError(
            f"the routes file {path} does not exist; name one with --routes or NTBRIDGE_ROUTES",
        ) from None
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise RoutesError(f"the routes file {path} cannot be read: {error}") from error
    return RouteTable(_check(path, content))


def _check(path: Path, content: Any) -> Sequence[Route]:
    try:
        routes = _RoutesFile.model_validate(content).routes
    except ValidationError as error:
        faults = "; ".join(
            f"{_place(content, fault['loc'])}: {fault['msg']}"
            for fault in error.errors(include_url=False)
        )
        raise RoutesError(f"the routes file {path} is wrong: {faults}") from None
    names = [route.name for route in routes]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise RoutesError(f"the routes file {path} has two routes named {', '.join(twice)}")
    return routes


def _place(content: Any, location: tuple[int | str, ...]) -> str:
    """Name the faulty place by the route's name, which a reader finds sooner than an index."""
    parts = [str(part) for part in location]
    match location:
        case ("routes", int(index), *rest):
            try:
                name = content["routes"][index]["name"]
            except (KeyError, TypeError):
                name = f"number {index + 1}"
            return f"route {name!r}, {'.'.join(str(part) for part in rest) or 'as a whole'}"
        case _:
            return ".".join(parts) or "the file"
