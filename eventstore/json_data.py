"""JSON data: what all parsers read alike. Pure."""

import re
from typing import Any, Final

import msgspec

MAX_NESTING: Final = 128
"""The deepest nesting of arrays and objects in JSON data.

Far below this program's recursion limit, so that what was accepted stays readable, and no more than
parsers in other languages accept (serde_json: 128).
"""

TOO_DEEP: Final = f"the JSON is nested more than {MAX_NESTING} deep"
"""What is said about data that is nested deeper."""

_STRING: Final = re.compile(rb'"[^"]*"')
_BRACKETS: Final = bytes.maketrans(b"{}", b"[]")
_NEITHER_BRACKET_NOR_QUOTE: Final = bytes(set(range(256)) - set(b'[]{}"'))
_decode_json = msgspec.json.Decoder().decode


def json_problem(data: bytes) -> str | None:
    """Return why data is not JSON; None if it is.

    Raises:
        RecursionError: It is nested far too deeply; `is_deep` finds lesser depths.
    """
    try:
        _json_of(data)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        return f"the data is declared as JSON, but is not JSON: {error}"
    return None


def _json_of(data: bytes) -> Any:
    if not data.isascii():
        data.decode()
    return _decode_json(data)


def is_deep(valid_json: bytes) -> bool:
    """Return whether JSON is nested more than `MAX_NESTING` deep."""
    if len(valid_json) <= 2 * MAX_NESTING:
        return False
    if valid_json.count(b"[") + valid_json.count(b"{") <= MAX_NESTING:
        return False
    quotes_end_strings = valid_json.replace(rb"\\", b"").replace(rb"\"", b"")
    bare = quotes_end_strings.translate(_BRACKETS, _NEITHER_BRACKET_NOR_QUOTE)
    brackets = _STRING.sub(b"", bare.replace(b'""', b""))
    for _ in range(MAX_NESTING):
        brackets = brackets.replace(b"[]", b"")  # takes away the innermost level
    return bool(brackets)


def has_twins(valid_json: bytes) -> bool:
    """Tell whether an object of JSON names a member twice.

    Decoding keeps one of two equal names, so that encoding again gives fewer members. Members
    are counted in minimal form, where each has one ``":`` outside of its strings.
    """
    if valid_json.count(b":") <= 1:
        return False
    least = msgspec.json.format(valid_json, indent=-1)
    return _members_in(least) != _members_in(msgspec.json.encode(_decode_json(valid_json)))


def _members_in(least: bytes) -> int:
    if b"\\" in least:
        least = least.replace(rb"\\", b"").replace(rb"\"", b"")
    return least.count(b'":')
