"""JSON that every reader reads alike: UTF-8, no name twice in one object, not too deep.

Stricter than msgspec, which keeps the last of two equal names, and bounds the depth by the
interpreter's stack alone.
"""

import re
from typing import Any

import msgspec

from bridge.errors import DecodeError, EncodeError

MAX_NESTING = 128
"""How deep arrays and objects of JSON data may stand in one another.

Far below what our own recursion bears, so that what was accepted once is readable ever after,
and no more than readers in other languages take (serde_json: 128).
"""

_STRING = re.compile(rb'"[^"]*"')
_BRACKETS = bytes.maketrans(b"{}", b"[]")
_NEITHER_BRACKET_NOR_QUOTE = bytes(set(range(256)) - set(b'[]{}"'))

_members = msgspec.json.Decoder(dict[str, msgspec.Raw])
_anything = msgspec.json.Decoder()


def members_of(payload: bytes) -> dict[str, msgspec.Raw]:
    """Return the members of a JSON object, each one unread.

    Raises:
        DecodeError: It is no JSON object, or names a member twice.
    """
    try:
        payload.decode()
        members = _members.decode(payload)
        least = msgspec.json.format(payload, indent=-1)
        rebuilt = _members.decode(least)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise DecodeError("json", f"the payload is no JSON object: {error}") from error
    # msgspec keeps the last of two equal names without a word. In minimal form every member
    # takes len(name) + len(value) + 4 characters ("":,) and the braces one more than that.
    size = 1 + sum(len(name.encode()) + len(value) + 4 for name, value in rebuilt.items())
    if members and size != len(least):
        raise DecodeError("json", "the JSON object names an attribute twice or with escapes")
    return members


def check_json(data: bytes) -> None:
    """See that data is JSON, and not too deep.

    Raises:
        DecodeError: It is not.
    """
    try:
        data.decode()
        value = _anything.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise DecodeError(
            "data", f"the data is declared as JSON and is not: {error}"
        ) from error
    if _is_deep(data):
        raise DecodeError("nesting", f"the JSON is nested more than {MAX_NESTING} deep")
    if b":" in data and _has_twins(data, value):
        raise DecodeError(
            "twins",
            "an object in the JSON data names a member twice: readers keep the first or the "
            "last of the two",
        )


def is_valid_json(data: bytes) -> bool:
    """Tell whether data is JSON.

    Raises:
        DecodeError: It is, but nested too deeply, or an object in it names a member twice.
    """
    try:
        check_json(data)
    except DecodeError as error:
        if error.code != "data":
            raise
        return False
    return True


def one_line(data: bytes) -> bytes:
    """Return JSON without its line breaks and other white space.

    Raises:
        EncodeError: It is no JSON.
    """
    try:
        data.decode()
        return msgspec.json.format(data, indent=-1)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise EncodeError(f"the data is declared as JSON and is not: {error}") from error
    except RecursionError:
        raise EncodeError("the data is JSON, but nested too deeply") from None


def _has_twins(valid_json: bytes, value: Any) -> bool:
    """Tell whether an object of JSON names a member twice, ``value`` being what it decodes to.

    Decoding keeps one of two equal names, so that encoding again gives fewer members. Members
    are counted in minimal form, where each has one ``":`` outside of its strings.
    """
    least = msgspec.json.format(valid_json, indent=-1)
    return _members_in(least) != _members_in(msgspec.json.encode(value))


def _members_in(least: bytes) -> int:
    if b"\\" in least:
        least = least.replace(rb"\\", b"").replace(rb"\"", b"")
    return least.count(b'":')


def _is_deep(valid_json: bytes) -> bool:
    if valid_json.count(b"[") + valid_json.count(b"{") <= MAX_NESTING:
        return False
    quotes_end_strings = valid_json.replace(rb"\\", b"").replace(rb"\"", b"")
    bare = quotes_end_strings.translate(_BRACKETS, _NEITHER_BRACKET_NOR_QUOTE)
    brackets = _STRING.sub(b"", bare.replace(b'""', b""))
    for _ in range(MAX_NESTING):
        brackets = brackets.replace(b"[]", b"")  # takes away the innermost level
    return bool(brackets)
