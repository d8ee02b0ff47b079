"""Joins the sources of the settings and those of the routes file. Pure.

A source is known by its stream and subject filter. Each may be in the settings, in the routes file or
in both; then each setting of it is in one place, or equal in both. The usual division: the settings
say where to read (which differs by installation), the routes file what the messages are. The default
source (EVENTS, or its name in nats.streams) applies if neither names a source.
"""

from collections.abc import Sequence

from bridge.errors import BridgeError
from bridge.settings.source_settings import SettingsSources, SourceSettings

IN_SETTINGS = "intake.sources of the settings"


class Contradiction(BridgeError):  # noqa: N818 - names what is wrong
    """Settings and routes file disagree about a source.

    Attributes:
        index: The source's index in the routes file.
        setting: The setting about which they disagree.
    """

    def __init__(self, message: str, index: int, setting: str = "stream") -> None:
        super().__init__(message)
        self.index = index
        self.setting = setting


def merged(
    written: SettingsSources, in_file: Sequence[SourceSettings], file: str
) -> tuple[SourceSettings, ...]:
    """Return all sources.

    Args:
        written: The sources in the settings.
        in_file: The sources in the routes file.
        file: Its name, for errors.

    Raises:
        Contradiction: The two disagree about a source.
    """
    if not in_file:
        return written.sources
    found = list(written.sources if written.named else ())
    for index, source in enumerate(in_file):
        same = [at for at, other in enumerate(found) if _is_same(source, other)]
        if not same:
            found.append(source)
        elif len(same) == 1:
            found[same[0]] = _joined(found[same[0]], source, index, file)
        else:
            message = (
                f"{source.shown}: {IN_SETTINGS} has several sources of this stream and subject; "
                "name the consumer of the one that is meant"
            )
            raise Contradiction(message, index)
    return tuple(found)


def _is_same(in_file: SourceSettings, other: SourceSettings) -> bool:
    named = "consumer" in in_file.model_fields_set and "consumer" in other.model_fields_set
    return (
        in_file.stream == other.stream
        and in_file.subject == other.subject
        and (not named or in_file.consumer == other.consumer)
    )


def _joined(
    written: SourceSettings, in_file: SourceSettings, index: int, file: str
) -> SourceSettings:
    for name in sorted(written.model_fields_set & in_file.model_fields_set):
        one, other = getattr(written, name), getattr(in_file, name)
        if one != other:
            message = (
                f"{in_file.shown}: {name!r} is {_shown(other)} in {file} and {_shown(one)} in "
                f"{IN_SETTINGS}: give it in one of the two"
            )
            raise Contradiction(message, index, name)
    return SourceSettings.model_validate(
        {**written.model_dump(exclude_unset=True), **in_file.model_dump(exclude_unset=True)}
    )


def _shown(value: object) -> str:
    return repr(value) if isinstance(value, str) else "another one"
