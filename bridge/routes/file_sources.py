"""Checks the sources of a routes file, together with those of the settings. Pure."""

from collections.abc import Iterator, Sequence

from bridge.errors import ExpressionError
from bridge.routes.positions import Document, Place
from bridge.settings.source_settings import SourceSettings
from bridge.sources.merging import IN_SETTINGS, Contradiction, merged
from bridge.sources.table import Location, faults_of

Problem = tuple[str, Place | None]


def checked_sources(
    document: Document,
    in_file: Sequence[SourceSettings],
    written: Sequence[SourceSettings] | None,
) -> tuple[Sequence[SourceSettings], list[Problem]]:
    """Return all sources, and what is wrong with them, each with its place in the file."""
    problems = list(_problems(document, in_file))
    if problems:
        return (), problems
    try:
        sources = merged(written, in_file, str(document.path))
    except Contradiction as error:
        place = document.place(("sources", error.index, error.setting), key=True)
        return (), [(f"source {error}", place)]
    return sources, [
        (f"{IN_SETTINGS}, {_name(sources, location)}: {what}", None)
        for location, what in faults_of(sources)
    ]


def _problems(document: Document, sources: Sequence[SourceSettings]) -> Iterator[Problem]:
    for location, what in faults_of(sources):
        full = ("sources", *location)
        if isinstance(what, ExpressionError) and what.line and what.column:
            place = document.place_inside(full, what.line, what.column)
        else:
            place = document.place(full)
        yield f"{_name(sources, location)}: {what}", place


def _name(sources: Sequence[SourceSettings], location: Location) -> str:
    index, *rest = location
    source = sources[index] if isinstance(index, int) else None
    name = "sources" if source is None else f"source {source.shown}"
    return ", ".join([name, *filter(None, [".".join(map(str, rest))])])
