"""Reads and checks a routes file; reports all faults with their places.

`load_routes` returns a table or raises. `check_routes` returns the document, the place of each part
and all faults, which the lint needs.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from bridge.errors import ExpressionError, RoutesError
from bridge.routes.file_sources import checked_sources, described
from bridge.routes.matching import is_among
from bridge.routes.model import Route, RoutesFile
from bridge.routes.positions import Document, Place, read_document
from bridge.routes.schemas import FOLDER, load_schemas
from bridge.routes.table import RouteTable
from bridge.runtime.event_types import DEFAULT_PREFIX
from bridge.settings.source_settings import DEFAULT_SOURCES, SettingsSources, SourceSettings
from bridge.sources import Sources
from bridge.sources.table import DescriptorSets

Location = tuple[int | str, ...]

_MESSAGES = {
    "missing": "it is missing",
    "extra_forbidden": "there is no such key",
    "model_type": "it must be a mapping",
    "string_type": "it must be text; put numbers and booleans in quotes",
}


@dataclass(frozen=True, slots=True)
class Fault:
    """One error in a routes file, and its place."""

    what: str
    place: Place | None


@dataclass(frozen=True, slots=True)
class CheckedFile:
    """A routes file after the check; ``routes`` is empty if there are faults."""

    document: Document
    routes: Sequence[Route]
    faults: Sequence[Fault]
    sources: Sequence[SourceSettings] = ()
    """Those of the file and of the settings."""
    descriptors: DescriptorSets | None = None
    """The descriptor sets that the sources name."""

    def place(self, route: int, *location: int | str) -> Place | None:
        """Return the place of a part of the route with this index."""
        return self.document.place(("routes", route, *location))


def load_routes(
    path: Path,
    written: SettingsSources = DEFAULT_SOURCES,
    type_prefix: str = DEFAULT_PREFIX,
    namespaces: Sequence[str] | None = None,
    *,
    closures: bool = True,
) -> RouteTable:
    """Read and check a routes file and the schemas in its folder.

    Args:
        path: The routes file.
        written: The sources in the settings.
        type_prefix: The prefix of the types of events made from messages.
        namespaces: The namespaces that routes can name, that of the default one first; None: any.
        closures: Whether the ends of runs are recorded (``closures.enabled``).

    Raises:
        RoutesError: A file cannot be read or is invalid. The message lists all errors with file,
            line and column.
    """
    checked = check_routes(path, written, namespaces, closures=closures)
    if checked.faults:
        lines = (checked.document.say(fault.place, fault.what) for fault in checked.faults)
        raise RoutesError("\n".join(lines))
    table = RouteTable(
        checked.routes,
        load_schemas(path.parent / FOLDER),
        Sources(checked.sources, type_prefix, checked.descriptors),
    )
    _ = table.definition  # computed here, in a thread, so that the event loop need not do it
    return table


def check_routes(
    path: Path,
    written: SettingsSources = DEFAULT_SOURCES,
    namespaces: Sequence[str] | None = None,
    *,
    closures: bool = True,
) -> CheckedFile:
    """Read a routes file and check all of it, with the sources ``written`` in the settings.

    Args:
        path: The routes file.
        written: As in `load_routes`.
        namespaces: As in `load_routes`.
        closures: As in `load_routes`.

    Raises:
        RoutesError: It cannot be read, or is not valid YAML.
    """
    document = read_document(
        path,
        "routes file",
        "; name one with --routes or NTBRIDGE_ROUTES",
    )
    file, faults = _read(document, namespaces, closures=closures)
    if file is None:
        return CheckedFile(document, (), faults)
    sources, problems = checked_sources(document, file.sources, written)
    descriptors, wrong = described(document, sources, path.parent)
    faults += [Fault(what, place) for what, place in (*problems, *wrong)]
    routes = [_in_namespace(route, namespaces) for route in file.routes]
    return CheckedFile(document, () if faults else routes, faults, sources, descriptors)


def proposed_routes(
    text: str,
    force: RouteTable,
    namespaces: Sequence[str] | None = None,
    *,
    closures: bool = True,
) -> RouteTable:
    """Return the table of proposed routes, with the sources and schemas of those in force.

    No file is read: the text may come from anyone who may look at the routes.

    Args:
        text: The content of a routes file; its own sources are not used.
        force: The routes in force.
        namespaces: As in `load_routes`.
        closures: As in `load_routes`.

    Raises:
        RoutesError: It is invalid. The message lists all errors with line and column.
    """
    document = Document(Path("proposal"), text)
    file, faults = _read(document, namespaces, closures=closures)
    if file is None or faults:
        raise RoutesError("\n".join(document.say(each.place, each.what) for each in faults))
    routes = [_in_namespace(route, namespaces) for route in file.routes]
    return RouteTable(routes, force.schemas, force.sources)


def _read(
    document: Document, namespaces: Sequence[str] | None, *, closures: bool
) -> tuple[RoutesFile | None, list[Fault]]:
    """Return the content, None if it does not fit the model, and the faults of the routes."""
    try:
        file = RoutesFile.model_validate(document.content)
    except ValidationError as error:
        details = error.errors(include_url=False)
        return None, [_fault(document, detail) for detail in details]
    return file, [
        *_twins(document, file),
        *_ambiguous(document, file),
        *_forbidden(document, file),
        *_unreachable(document, file, namespaces),
        *(() if closures else _never_freed(document, file)),
    ]


def _fault(document: Document, detail: ErrorDetails) -> Fault:
    location = detail["loc"]
    error = detail.get("ctx", {}).get("error")
    what = _MESSAGES.get(detail["type"], str(error or detail["msg"]))
    if isinstance(error, ExpressionError) and error.line and error.column:
        place = document.place_inside(location, error.line, error.column)
    else:
        unknown = detail["type"] == "extra_forbidden"
        place = document.place(location, key=unknown)
        if unknown:
            what += _meant(str(location[-1]))
    return Fault(f"{_name(document.content, location)}: {what}", place)


def _meant(key: str) -> str:
    near = get_close_matches(key, _known_keys(RoutesFile), 1)
    return f"; did you mean {near[0]!r}?" if near else ""


def _known_keys(model: type[BaseModel]) -> Iterator[str]:
    for name, field in model.model_fields.items():
        yield field.alias or name
        for part in _parts(field.annotation):
            if isinstance(part, type) and issubclass(part, BaseModel):
                yield from _known_keys(part)


def _parts(annotation: Any) -> Iterator[Any]:
    yield annotation
    for part in getattr(annotation, "__args__", ()):
        yield from _parts(part)


def _name(content: Any, location: Location) -> str:
    """Return a location as text, with the route's name instead of its index."""
    match location:
        case ("routes", int(index), *rest):
            try:
                name = content["routes"][index]["name"]
            except (KeyError, TypeError):
                name = f"number {index + 1}"
            return ", ".join([f"route {name!r}", *filter(None, [_dotted(rest)])])
        case ("sources", int(index), *rest):
            return ", ".join([f"source number {index + 1}", *filter(None, [_dotted(rest)])])
        case _:
            return _dotted(location) or "the file"


def _dotted(location: Sequence[int | str]) -> str:
    return ".".join(str(part) for part in location)


def _twins(document: Document, file: RoutesFile) -> Iterator[Fault]:
    seen: set[str] = set()
    for index, route in enumerate(file.routes):
        if route.name in seen:
            place = document.place(("routes", index, "name"))
            yield Fault(f"route {route.name!r}: another route has this name", place)
        seen.add(route.name)


def _ambiguous(document: Document, file: RoutesFile) -> Iterator[Fault]:
    """Find extension attributes whose YAML spelling differs from their value (``1.0``, ``yes``)."""
    for index, route in enumerate(file.routes):
        for name, value in route.extensions.items():
            full = ("routes", index, "extensions", name)
            written = document.written_otherwise(full)
            if written is not None:
                what = f"{written} is read as {value}; put it in quotes, or write {value}"
                yield Fault(f"{_name(document.content, full)}: {what}", document.place(full))


def _forbidden(document: Document, file: RoutesFile) -> Iterator[Fault]:
    """Find workflow types and task queues that ``allow`` does not list."""
    bounds = {"task_queue": file.allow.task_queues, "workflow": file.allow.workflows}
    for index, route in enumerate(file.routes):
        for location, name, value in _named(route):
            allowed = bounds[name]
            if allowed and not is_among(allowed, value):
                full = ("routes", index, *location)
                what = f"{value!r} is not among what the file allows ({', '.join(allowed)})"
                yield Fault(f"{_name(document.content, full)}: {what}", document.place(full))


def _unreachable(
    document: Document, file: RoutesFile, namespaces: Sequence[str] | None
) -> Iterator[Fault]:
    """Find namespaces that the settings do not name."""
    if namespaces is None:
        return
    for index, route in enumerate(file.routes):
        if route.namespace is not None and route.namespace not in namespaces:
            full = ("routes", index, "namespace")
            what = (
                f"{route.namespace!r} is not a namespace of the settings "
                f"({', '.join(namespaces)}): correct it, or add it to temporal.namespaces"
            )
            yield Fault(f"{_name(document.content, full)}: {what}", document.place(full))


def _never_freed(document: Document, file: RoutesFile) -> Iterator[Fault]:
    """Find routes whose runs hold slots, which only closures free."""
    for index, route in enumerate(file.routes):
        if route.concurrency is not None:
            full = ("routes", index, "concurrency")
            what = "needs closures, which free the slots of runs: set closures.enabled: true in the settings"
            yield Fault(f"{_name(document.content, full)}: {what}", document.place(full))


def _in_namespace(route: Route, namespaces: Sequence[str] | None) -> Route:
    """Return the route without its namespace if that is the default one."""
    if not namespaces or route.namespace != namespaces[0]:
        return route
    return route.model_copy(update={"namespace": None})


def _named(route: Route) -> Iterator[tuple[Location, str, str]]:
    """Yield location, kind and value of each workflow type and task queue of a route."""
    below: list[tuple[Location, BaseModel]] = [((route.operation.name,), route.spec)]
    while below:
        location, model = below.pop()
        for name, value in _fields(model).items():
            if isinstance(value, BaseModel):
                below.append(((*location, name), value))
            elif name in ("task_queue", "workflow") and isinstance(value, str):
                yield (*location, name), name, value


def _fields(model: BaseModel) -> Mapping[str, Any]:
    return {name: getattr(model, name) for name in type(model).model_fields}
