"""Parses YAML and keeps line and column of each value, for error messages.

Lines and columns count from 1. In a one-line scalar (plain or quoted) and in a literal block
(``|``) the place of a character is exact. In folded and multi-line scalars it is the beginning.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from bridge.errors import RoutesError
from bridge.settings import strict_yaml

_LINE_BREAK = re.compile("\r\n|[\n\r\x85\u2028\u2029]")
_FORMER_NAMES = {"when_missing": "when_closed"}
"""Renamed keys with their former names, which older files use."""
_ESCAPES = {"x": 3, "u": 5, "U": 9}
"""Length of the longer escapes in double-quoted YAML, without the backslash; others have one."""


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """A line and column in a file."""

    line: int
    column: int


class Document:
    """A YAML file: its content as plain data, and the place of each part.

    Raises:
        RoutesError: It is not valid YAML, or a mapping names a key twice.
    """

    def __init__(self, path: Path, text: str) -> None:
        self.path = path
        self._lines = _LINE_BREAK.split(text)
        try:
            self._root, self.content = strict_yaml.parse(text)
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            what = error.problem or error.context or "no YAML"
            raise RoutesError(self.say(_place(mark) if mark else None, what)) from None
        except yaml.YAMLError as error:
            raise RoutesError(self.say(None, f"no YAML: {error}")) from None

    def say(self, place: Place | None, what: str) -> str:
        """Return a line of text with file, place and message."""
        where = f"{self.path}:{place.line}:{place.column}" if place else f"{self.path}"
        return f"{where}: {what}"

    def place(self, location: Sequence[int | str], *, key: bool = False) -> Place | None:
        """Return the place of the value at a path of keys and indexes, or of its key.

        If a part of the path does not exist, return the place of the last part that does.
        """
        found = self._find(location, key=key)
        return None if found is None else _place(found.start_mark)

    def written_otherwise(self, location: Sequence[int | str]) -> str | None:
        """Return the YAML spelling of a number or boolean if it differs from the value's text."""
        node = self._find(location, key=False)
        return None if node is None else strict_yaml.written_otherwise(node)

    def place_inside(
        self,
        location: Sequence[int | str],
        line: int,
        column: int,
    ) -> Place | None:
        """Return the place of a character in a scalar's text."""
        node = self._find(location, key=False)
        if node is None:
            return None
        start = _place(node.start_mark)
        if not isinstance(node, yaml.ScalarNode):
            return start
        if node.style == "|":
            return self._in_block(start, line, column)
        if node.style == ">" or node.start_mark.line != node.end_mark.line:
            return start
        if node.style is None:
            return Place(start.line, start.column + column - 1)
        raw = self._lines[start.line - 1][start.column : node.end_mark.column - 1]
        return Place(start.line, start.column + 1 + _raw_offset(raw, node.style, column - 1))

    def _in_block(self, start: Place, line: int, column: int) -> Place:
        # The text begins on the line after the "|"; its first non-blank line sets the indent.
        below = self._lines[start.line :]
        indent = next((len(each) - len(each.lstrip(" ")) for each in below if each.strip()), 0)
        return Place(start.line + line, indent + column)

    def _find(self, location: Sequence[int | str], *, key: bool) -> yaml.Node | None:
        found, node = self._root, self._root
        for part in location:
            if isinstance(node, yaml.MappingNode):
                names = {str(part), _FORMER_NAMES.get(str(part))}
                pair = next((pair for pair in node.value if pair[0].value in names), None)
                if pair is None:
                    break
                found, node = pair[0] if key else pair[1], pair[1]
            elif isinstance(node, yaml.SequenceNode) and isinstance(part, int):
                if part >= len(node.value):
                    break
                found = node = node.value[part]
            # Skip other parts of a pydantic location, such as the name of a union member.
        return found


def read_document(path: Path, what: str, otherwise: str = "") -> Document:
    """Read a YAML file.

    Args:
        path: The file.
        what: Kind of file, for messages.
        otherwise: What to do if the file does not exist, for the message.

    Raises:
        RoutesError: It does not exist, cannot be read or is not valid YAML.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise RoutesError(f"the {what} {path} does not exist{otherwise}") from None
    except UnicodeDecodeError as error:
        raise RoutesError(f"the {what} {path} is not UTF-8: {error}") from None
    except OSError as error:
        raise RoutesError(f"the {what} {path} cannot be read: {error.strerror}") from error
    return Document(path, text)


def _place(mark: yaml.Mark) -> Place:
    return Place(mark.line + 1, mark.column + 1)


def _raw_offset(raw: str, style: str, offset: int) -> int:
    """Return the offset in a quoted scalar's source of the character at ``offset`` in its text."""
    at = 0
    for _ in range(offset):
        if style == "'" and raw.startswith("''", at):
            at += 2
        elif style == '"' and raw.startswith("\\", at):
            at += 1 + _ESCAPES.get(raw[at + 1 : at + 2], 1)
        else:
            at += 1
    return min(at, len(raw))
