"""Checks the sources of a routes file, together with those of the settings. Pure."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from bridge.errors import ExpressionError
from bridge.routes.descriptor_sets import read_descriptors
from bridge.routes.positions import Document, Place
from bridge.settings.source_settings import SettingsSources, SourceSettings
from bridge.sources.merging import IN_SETTINGS, Contradiction, merged
from bridge.sources.table import DescriptorSets, Location, faults_of

Problem = tuple[str, Place | None]


def checked_sources(
    document: Document,
    in_file: Sequence[SourceSettings],
    written: SettingsSources,
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


def described(
    document: Document, sources: Sequence[SourceSettings], folder: Path
) -> tuple[DescriptorSets, list[Problem]]:
    """Return the descriptor sets of the sources, and what is wrong with them."""
    found, problems = read_descriptors(sources, folder)
    content = document.content if isinstance(document.content, dict) else {}
    in_file = content.get("sources") or ()
    said: list[Problem] = []
    for source, setting, reason in problems:
        index = next(
            (
                number
                for number, each in enumerate(in_file)
                if each.get("stream") == source.stream and "protobuf" in each
            ),
            None,
        )
        location = () if index is None else ("sources", index, "protobuf", setting)
        place = document.place(location) if location else None
        said.append((f"source {source.shown}, protobuf.{setting}: {reason}", place))
    return found, said


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
