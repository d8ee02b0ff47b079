"""Which changes of sources a running daemon takes over from a reloaded file. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from bridge.settings.source_settings import SourceSettings
from bridge.sources.table import DECODING


@dataclass(frozen=True)
class Running:
    """The sources of a running daemon after a reload."""

    settings: tuple[SourceSettings, ...]
    waiting: list[str]
    """What needs a restart, one text for each source."""


def running(old: Sequence[SourceSettings], new: Sequence[SourceSettings]) -> Running:
    """Return the old sources with the new way to make events, and what waits for a restart."""
    by_place = {(each.stream, each.subject): each for each in new}
    settings, waiting = [], list[str]()
    for source in old:
        changed = by_place.pop((source.stream, source.subject), None)
        if changed is None:
            waiting.append(f"{source.shown}: removed from the file, still read")
            settings.append(source)
            continue
        if _attaching(changed) != _attaching(source):
            waiting.append(f"{source.shown}: read otherwise, not yet in force")
        decoding = {name: getattr(changed, name) for name in DECODING}
        settings.append(source.model_copy(update=decoding))
    waiting += [f"{each.shown}: added, not read yet" for each in by_place.values()]
    return Running(tuple(settings), waiting)


def changed_decoding(old: Sequence[SourceSettings], new: Sequence[SourceSettings]) -> list[str]:
    """Return the sources whose messages become other events than before."""
    before = {each.name: each for each in old}
    return [
        each.shown
        for each in new
        if each.name in before
        and any(getattr(each, name) != getattr(before[each.name], name) for name in DECODING)
    ]


def _attaching(source: SourceSettings) -> dict[str, object]:
    return source.model_dump(exclude=set(DECODING))
