"""Printing of text from others, escaped so that a terminal cannot interpret it.

All output of the commands is printed here. Text for people is always escaped, because a pipe often
ends in a pager. JSON is exact: on a terminal invisible characters become JSON escapes, in a pipe no
byte is changed.
"""

import re
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from rich.console import Console

_SHORT: Final = {"\n": "\\n", "\t": "\\t", "\r": "\\r"}
_TWO_HEX, _FOUR_HEX = 0xFF, 0xFFFF

# `str.isprintable` is false for controls, format characters (bidi, zero width), surrogates, private
# and unassigned ones, and all white space but the blank. These are invisible too, but it accepts
# them (Unicode's Default_Ignorable_Code_Point).
_INVISIBLE: Final = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u3164\ufe00-\ufe0f\uffa0\U000e0000-\U000e0fff]"
)


def escaped(text: str, *, keep: str = "") -> str:
    """Return text on one line, with invisible characters escaped.

    Args:
        text: Any text, also with lone surrogates.
        keep: Characters not to escape, such as a line break.
    """
    if text.isprintable() and not _INVISIBLE.search(text):
        return text
    return "".join(
        each
        if each in keep or (each.isprintable() and not _INVISIBLE.match(each))
        else _escape(each)
        for each in text
    )


def escaped_json(text: str) -> str:
    """Return equivalent JSON with invisible characters escaped."""
    if text.isprintable() and not _INVISIBLE.search(text):
        return text
    # Outside strings, JSON has no such characters but white space; only the line break is kept.
    # Strings contain no line breaks.
    return "".join(
        each
        if each == "\n" or (each.isprintable() and not _INVISIBLE.match(each))
        else _json_escape(each)
        for each in text
    )


def print_text(text: str = "", *, keep: str = "") -> None:
    """Print a line for people to standard output, at once."""
    print(escaped(text, keep=keep), flush=True)


def print_message(text: str, *, end: str = "\n", keep: str = "") -> None:
    """Print a line for people to standard error, at once."""
    print(escaped(text, keep=keep), end=end, file=sys.stderr, flush=True)


def print_exact(text: str) -> None:
    """Print a line that a program may read, at once: escaped on a terminal, else unchanged."""
    print(escaped(text, keep="\n") if sys.stdout.isatty() else text, flush=True)


def print_json(text: str, *, flush: bool = True) -> None:
    """Print a JSON document; on a terminal invisible characters become JSON escapes."""
    print(escaped_json(text) if sys.stdout.isatty() else text, flush=flush)


def console(*, to_stderr: bool = False, width: int | None = None) -> "Console":
    """Return a rich console that prints text literally: no markup, no emoji codes."""
    from rich.console import Console  # noqa: PLC0415 - slow to import, rarely needed

    return Console(stderr=to_stderr, width=width, highlight=False, markup=False, emoji=False)


def _escape(character: str) -> str:
    if character in _SHORT:
        return _SHORT[character]
    code = ord(character)
    if code <= _TWO_HEX:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code <= _FOUR_HEX else f"\\U{code:08x}"


def _json_escape(character: str) -> str:
    units = character.encode("utf-16-be", "surrogatepass")
    return "".join(
        f"\\u{int.from_bytes(units[at : at + 2]):04x}" for at in range(0, len(units), 2)
    )


def examples_of(lines: Sequence[str]) -> str:
    """Return the end of a command's help: its examples, one a line."""
    text = "\n".join(lines)
    return f"Examples:\n\n```text\n{text}\n```"
