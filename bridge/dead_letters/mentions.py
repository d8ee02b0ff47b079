"""`Mention`: the event a message is about, even when the message cannot be decoded. Pure.

People must find a dead letter by the id that its publisher knows. The result is a guess for
searches only; no decision depends on it.
"""

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

import msgspec

from bridge.cloudevents.headers import Headers, guessed

_MAX_SCANNED = 65_536
_MAX_TEXT = 1000
_MEMBER = re.compile(rb'"(id|source|type)"\s*:\s*"((?:[^"\\]|\\.){1,1000})"')


class Mention(msgspec.Struct, frozen=True, kw_only=True):
    """The attributes that name an event; None where one could not be read."""

    id: str | None = None
    source: str | None = None
    type: str | None = None


class _Members(msgspec.Struct):
    """The members to read; msgspec skips all others without decoding them."""

    id: Any = None
    source: Any = None
    type: Any = None


UNKNOWN = Mention()
_members = msgspec.json.Decoder(_Members)


def mentioned(headers: Mapping[str, str] | None, payload: bytes | None) -> Mention:
    """Return the attributes with which a message names its event; never raises."""
    found = _in_headers(headers or {}) or _in_json(payload or b"")
    return Mention(**{name: value[:_MAX_TEXT] for name, value in found.items()})


def _in_headers(headers: Mapping[str, str]) -> dict[str, str]:
    lowered = {name.lower(): value for name, value in headers.items()}
    if isinstance(headers, Headers) and headers.fault is not None:
        lowered = guessed(headers.block)
    return {
        name: unquote(lowered[f"ce-{name}"].strip())
        for name in Mention.__struct_fields__
        if lowered.get(f"ce-{name}")
    }


def _in_json(payload: bytes) -> dict[str, str]:
    try:
        members = _members.decode(payload)
    except msgspec.ValidationError:
        return {}  # JSON, but not an object
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return _in_broken_json(payload[:_MAX_SCANNED])
    found = {name: getattr(members, name) for name in Mention.__struct_fields__}
    return {name: text for name, text in found.items() if isinstance(text, str) and text}


def _in_broken_json(text: bytes) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, value in _MEMBER.findall(text):
        found.setdefault(name.decode(), value.decode(errors="replace"))
    return found
