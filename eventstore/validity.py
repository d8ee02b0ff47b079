"""Validity: the rules for events that can be stored and read back. Pure.

The attributes follow CloudEvents 1.0.2, sections "Type System" and "Context Attributes". Data whose
content type is JSON must be JSON. Sizes are bounded so that an event can be exported, imported and
sent as one message.
"""

import re
from calendar import monthrange
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, Final
from uuid import UUID

from msgspec.structs import replace

from eventstore.errors import InvalidEvent
from eventstore.events import Event, NewEvent, Origin
from eventstore.json_data import TOO_DEEP, has_twins, is_deep, json_problem

MAX_EVENT_BYTES: Final = 64 * 1024 * 1024
"""The most bytes of an event in the CloudEvents JSON format; NATS accepts no larger message."""

MAX_APPEND_BYTES: Final = 256 * 1024 * 1024
"""The most data of one append or batch: Postgres accepts 1 GiB as one argument, half in hexadecimal."""

MAX_NAME_BYTES: Final = 2000
"""The most bytes of a stream's name or a type: an index entry can hold a little more."""

CONTEXT: Final = ("id", "source", "type", "subject", "time", "datacontenttype", "dataschema")
"""The context attributes that an `Event` has fields for."""

_REQUIRED: Final = frozenset({"id", "source", "type"})
_BODY: Final = frozenset({"data", "data_base64"})
_NO_EXTENSION: Final = frozenset({*CONTEXT, *_BODY, "specversion"})
_NAME: Final = re.compile(r"[a-z0-9]+")
# Section "Type System", String: neither controls nor surrogates nor noncharacters.
_FORBIDDEN: Final = re.compile(
    "[\x00-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef"
    + "".join(chr(plane << 16 | low) for plane in range(17) for low in (0xFFFE, 0xFFFF))
    + "]",
)
_UNSTORABLE: Final = re.compile("[\x00\ud800-\udfff]")
_TIME: Final = re.compile(
    r"(?P<year>\d{4})-(?P<month>0[1-9]|1[0-2])-(?P<day>0[1-9]|[12]\d|3[01])[Tt]"
    r"([01]\d|2[0-3]):[0-5]\d:([0-5]\d|60)(\.\d+)?([Zz]|[+-]([01]\d|2[0-3]):[0-5]\d)",
    re.ASCII,
)
_URI_REFERENCE: Final = re.compile(r"[^\s<>\"{}|\\^`]+")
_ABSOLUTE_URI: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*:[^\s<>\"{}|\\^`]*")
_INTEGER: Final = range(-(2**31), 2**31)
_WHOLE: Final = (int, bool)
_SCHEMA_VERSIONS: Final = range(2**31)
_ORIGINS: Final = frozenset(Origin)
_ENVELOPE_BYTES: Final = 1024
"""Bytes for the names and punctuation around attributes and data."""
_SMALL: Final = MAX_EVENT_BYTES // 2
"""An event of half as many bytes needs no exact count."""
_MAX_SHOWN: Final = 80


def check(new: NewEvent) -> None:
    """Refuse an event that could not be stored or read back.

    Raises:
        InvalidEvent: The message says which part of the event is wrong; it never shows data.
    """
    event = new.event
    text = _plain_text(event)
    problem = (
        (_problem_of_attributes(event) if text is None else None)
        or _problem_of_additions(new)
        or _problem_of_data(new, text)
    )
    if problem is not None:
        raise InvalidEvent(f"event {_shown(event.id)} of {_shown(event.source)}: {problem}")


def checked(new: NewEvent) -> NewEvent:
    """Return an event with its digest, so that the store need not check its data again.

    Raises:
        InvalidEvent: It could not be stored; see `check`.
    """
    check(new)
    return replace(new, digest=new.event.digest)


def event_problem(event: Event) -> str | None:
    """Return what is wrong with an event's attributes; None if nothing is."""
    return None if _plain_text(event) is not None else _problem_of_attributes(event)


def attribute_problem(name: object, value: object) -> str | None:
    """Return what is wrong with a context or extension attribute; None if nothing is."""
    if not isinstance(name, str) or not is_name(name):
        return f"the attribute name {_shown(name)} is not made of a-z and 0-9 alone"
    match value:
        case str():
            return _text_problem(name, value)
        case int() if name not in CONTEXT:
            good = value in _INTEGER
            return None if good else f"the attribute {name!r} is not a 32-bit integer"
        case _ if name in CONTEXT:
            return f"the attribute {name!r} must be a string"
        case _:
            return (
                f"the attribute {name!r} is a {type(value).__name__}; attributes are strings, "
                "booleans or integers"
            )


@lru_cache(maxsize=1024)
def is_name(name: str) -> bool:
    """Return whether a name is valid for an attribute."""
    return _NAME.fullmatch(name) is not None and name not in _BODY


def is_text(value: str) -> bool:
    """Return whether a text is valid as the value of an attribute."""
    return bool(value) and _FORBIDDEN.search(value) is None


def _text_problem(name: str, value: str) -> str | None:
    if _FORBIDDEN.search(value):
        return f"the attribute {name!r} holds a forbidden character"
    if name in CONTEXT and not value:
        return f"the attribute {name!r} is empty"
    if not _has_form(name, value):
        return f"{name} is {_shown(value)}, which is not {_FORMS[name][1]}"
    return None


@lru_cache(maxsize=1024)  # sources and content types are few
def _has_form(name: str, value: str) -> bool:
    form = _FORMS.get(name)
    return form is None or bool(form[0](value))


def _plain_text(event: Event) -> str | None:
    """Return all attributes as one text if they are plainly valid, else None: they are checked one by one."""
    # Every append and every encoding passes here, hence without a loop.
    text, subject, time, extensions = event.id, event.subject, event.time, event.extensions
    try:
        frame = _plain_frame(event.source, event.type, event.datacontenttype, event.dataschema)
    except TypeError:  # one cannot be hashed: it is no text
        return None
    if frame is None or type(text) is not str or not text:
        return None
    if subject is not None:
        if type(subject) is not str or not subject:
            return None
        text += subject
    if time is not None:
        if type(time) is not str or not _is_timestamp(time):
            return None
        text += time
    if extensions or type(extensions) is not dict:
        more = _plain_extensions(extensions)
        if more is None:
            return None
        text += more
    return frame + text if text.isascii() and text.isprintable() else None


@lru_cache(maxsize=1024, typed=True)  # they are few; their hashes are cheaper than their checks
def _plain_frame(source: Any, event_type: Any, media: Any, schema: Any) -> str | None:
    """Return the attributes that most events share as one text, if they are plainly valid."""
    texts = [each for each in (source, event_type, media, schema) if each is not None]
    plain = (
        all(type(each) is str and each.isascii() and each.isprintable() for each in texts)
        and source is not None
        and event_type is not None
        and 0 < len(event_type) <= MAX_NAME_BYTES
        and _has_form("source", source)
        and (media is None or _has_form("datacontenttype", media))
        and (schema is None or _has_form("dataschema", schema))
    )
    return "".join(texts) if plain else None


def _plain_extensions(extensions: Any) -> str | None:
    if type(extensions) is not dict:
        return None
    text = ""
    for name, value in extensions.items():
        if type(name) is not str or name in _NO_EXTENSION or not is_name(name):
            return None
        if type(value) is str:
            text += value
        elif type(value) not in _WHOLE or value not in _INTEGER:
            return None
    return text


def _is_timestamp(value: str) -> bool:
    match = _TIME.fullmatch(value)
    return match is not None and (
        int(match["day"]) <= monthrange(int(match["year"]), int(match["month"]))[1]
    )


def _problem_of_attributes(event: Event) -> str | None:
    for name in CONTEXT:
        value = getattr(event, name)
        if value is None and name not in _REQUIRED:
            continue
        problem = attribute_problem(name, value)
        if problem is not None:
            return problem
    if len(event.type) * 4 > MAX_NAME_BYTES and len(event.type.encode()) > MAX_NAME_BYTES:
        return f"a type has 1 to {MAX_NAME_BYTES} bytes"
    extensions: Any = event.extensions
    if not isinstance(extensions, Mapping):
        return "the extension attributes are not a mapping"
    for name, value in extensions.items():
        if name in _NO_EXTENSION:
            return f"{name!r} is not a valid name of an extension attribute"
        problem = attribute_problem(name, value)
        if problem is not None:
            return problem
    return None


def _problem_of_additions(new: NewEvent) -> str | None:
    # Each is looked at only if it is given: most of them seldom are.
    name = None
    if (topic := new.topic) is not None and not _is_storable(topic):
        name = "topic"
    elif (chain := new.correlation_id) is not None and not _is_storable(chain):
        name = "correlation_id"
    elif (tenant := new.tenant) is not None and not _is_storable(tenant):
        name = "tenant"
    if name is not None:
        return f"{name} is not text that can be stored"
    uid: Any = new.correlation_uid
    if uid is not None and not isinstance(uid, UUID):
        return "correlation_uid is not a UUID"
    uid = new.causation_uid
    if uid is not None and not isinstance(uid, UUID):
        return "causation_uid is not a UUID"
    if new.origin not in _ORIGINS:
        return f"the origin is {_shown(new.origin)}; it is 'received' or 'emitted'"
    version: Any = new.schema_version
    if version is not None and (
        not isinstance(version, int)
        or isinstance(version, bool)
        or version not in _SCHEMA_VERSIONS
    ):
        return "schema_version is not a number from 0 to 2,147,483,647"
    return None


def _is_storable(value: Any) -> bool:
    return isinstance(value, str) and _UNSTORABLE.search(value) is None


def _problem_of_data(new: NewEvent, text: str | None) -> str | None:
    """Return what is wrong with the data; ``text``: the attributes, if they are plain."""
    event = new.event
    data: Any = event.data
    if data is not None and not isinstance(data, bytes):
        return f"the data is a {type(data).__name__}, not bytes"
    if text is None or 2 * (len(data or b"") + len(text)) > _SMALL or event.extensions:
        size = size_of(event)
        if size > MAX_EVENT_BYTES:
            return f"it takes {size} bytes as JSON; {MAX_EVENT_BYTES} are the most"
    if data is None or new.digest is not None or not event.has_json_data:
        return None
    try:
        problem = json_problem(data)
    except RecursionError:
        problem = TOO_DEEP
    if problem is None and is_deep(data):
        problem = TOO_DEEP
    # Received data was read by a decoder that checks this.
    if problem is None and new.origin == Origin.EMITTED and has_twins(data):
        problem = "an object in the JSON data names a member twice"
    return problem


def size_of(event: Event) -> int:
    """Return the most bytes that an event takes in the CloudEvents JSON format."""
    data = event.data or b""
    size = len(data) if event.has_json_data else (len(data) + 2) // 3 * 4
    texts: list[str] = [getattr(event, name) or "" for name in CONTEXT]
    for name, value in event.extensions.items():
        texts += (name, '":"",', str(value))
    text = "".join(texts)
    quoted = text.count('"') + text.count("\\")
    return (
        size + quoted + (len(text) if text.isascii() else len(text.encode())) + _ENVELOPE_BYTES
    )


def _shown(value: object) -> str:
    text = value if isinstance(value, str) else repr(value)
    return ascii(text if len(text) <= _MAX_SHOWN else f"{text[:_MAX_SHOWN]}…")


_FORMS: Final[Mapping[str, tuple[Callable[[str], object], str]]] = {
    "time": (_is_timestamp, "an RFC 3339 timestamp"),
    "source": (_URI_REFERENCE.fullmatch, "a URI reference"),
    "dataschema": (_ABSOLUTE_URI.fullmatch, "an absolute URI"),
    "datacontenttype": (lambda value: "/" in value, "a media type"),
}
