"""Reads the descriptor sets that sources name."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from bridge.cel import compile_expression
from bridge.cel.syntax import literal_text
from bridge.errors import DecodeError
from bridge.settings.source_settings import SourceSettings
from bridge.sources.protobuf import Descriptors

_SUFFIXES = frozenset({".binpb", ".pb", ".desc"})


def descriptor_files(sources: Sequence[SourceSettings], folder: Path) -> Iterator[Path]:
    """Yield the files of all descriptor sets that sources name."""
    for source in sources:
        if source.protobuf is not None:
            yield from _files(folder / source.protobuf.descriptors)


def read_descriptors(
    sources: Sequence[SourceSettings], folder: Path
) -> tuple[dict[str, dict[str, bytes]], list[tuple[SourceSettings, str, str]]]:
    """Return the descriptor sets of sources by ``descriptors``, and what is wrong with them.

    Each problem is a source, the setting and the reason.
    """
    found: dict[str, dict[str, bytes]] = {}
    problems: list[tuple[SourceSettings, str, str]] = []
    for source in sources:
        fields = source.protobuf
        if fields is None:
            continue
        path = folder / fields.descriptors
        try:
            sets = {str(file): file.read_bytes() for file in _files(path)}
            descriptors = Descriptors(sets)
        except OSError as error:
            problems.append((source, "descriptors", f"{path} cannot be read: {error.strerror}"))
            continue
        except ValueError as error:
            problems.append((source, "descriptors", str(error)))
            continue
        found[fields.descriptors] = sets
        name = literal_text(compile_expression(fields.message, "string", over="message").tree)
        try:
            if name is not None:
                descriptors.check(name)
        except DecodeError as error:
            problems.append((source, "message", str(error)))
    return found, problems


def _files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    # A folder without a set is named like a missing file.
    found = sorted(each for each in path.iterdir() if each.suffix in _SUFFIXES)
    return found or [path / "*.binpb"]
