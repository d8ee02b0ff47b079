"""Strict JSON that all parsers read the same: UTF-8, unique member names, limited depth.

msgspec is less strict: it keeps the last of two equal names, and only the interpreter's stack
limits the depth.
"""

import msgspec

from bridge.errors import DecodeError, EncodeError
from eventstore.json_data import MAX_NESTING, has_twins, is_deep, json_problem

_members = msgspec.json.Decoder(dict[str, msgspec.Raw])


def members_of(payload: bytes) -> dict[str, msgspec.Raw]:
    """Return the members of a JSON object; the values are not decoded.

    Raises:
        DecodeError: It is not a JSON object, or names a member twice.
    """
    try:
        payload.decode()
        members = _members.decode(payload)
        least = msgspec.json.format(payload, indent=-1)
        rebuilt = _members.decode(least)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise DecodeError("json", f"the payload is not a JSON object: {error}") from error
    # msgspec silently keeps the last of two equal names, so compare the sizes. In minimal form each
    # member takes len(name) + len(value) + 4 characters ("":,), and the braces add one.
    size = 1 + sum(len(name.encode()) + len(value) + 4 for name, value in rebuilt.items())
    if members and size != len(least):
        raise DecodeError("json", "the JSON object names an attribute twice or with escapes")
    return members


def check_json(data: bytes) -> None:
    """Check that data is strict JSON.

    Raises:
        DecodeError: It is not JSON, is nested too deeply, or names a member twice.
    """
    problem = json_problem(data)
    if problem is not None:
        raise DecodeError("data", problem)
    if is_deep(data):
        raise DecodeError("nesting", f"the JSON is nested more than {MAX_NESTING} deep")
    if b":" in data and has_twins(data):
        raise DecodeError(
            "twins",
            "an object in the JSON data names a member twice: parsers keep the first or the "
            "last of the two",
        )


def is_valid_json(data: bytes) -> bool:
    """Return whether data is JSON.

    Raises:
        DecodeError: It is JSON, but nested too deeply, or an object names a member twice.
    """
    try:
        check_json(data)
    except DecodeError as error:
        if error.code != "data":
            raise
        return False
    return True


def one_line(data: bytes) -> bytes:
    """Return JSON without line breaks and other white space.

    Raises:
        EncodeError: It is not JSON.
    """
    try:
        data.decode()
        return msgspec.json.format(data, indent=-1)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise EncodeError(f"the data is declared as JSON, but is not JSON: {error}") from error
    except RecursionError:
        raise EncodeError("the data is JSON, but nested too deeply") from None
