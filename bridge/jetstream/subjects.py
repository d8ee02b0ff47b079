"""NATS subjects and subject filters: validation and matching. Pure.

A *topic* is a subject without the prefix that lets several bridges share one account. The bridge
uses topics; `bridge.settings.schema.NatsSettings` adds and removes the prefix.
"""

import re

from bridge.errors import SubjectError

RESULT_TOPICS = "results.>"
"""The topics of all result events."""

# NATS allows more. Excluded are characters with a meaning (* > .) and those that break a protocol line.
_TOKEN = re.compile(r"[^\s.*>\x00-\x1f\x7f]+")
_VERSION = re.compile(r"\.v\d+$")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_LABELS = 2
MAX_LENGTH = 255
"""Maximum length of a subject, in characters; nats-server warns about longer ones."""


def check_subject(subject: str) -> str:
    """Return a subject without wildcards unchanged.

    Raises:
        SubjectError: It is too long, or a token is empty or holds a reserved character.
    """
    if len(subject) > MAX_LENGTH:
        raise SubjectError(
            f"the subject is {len(subject)} characters long; the maximum is {MAX_LENGTH}"
        )
    if not all(_TOKEN.fullmatch(token) for token in subject.split(".")):
        raise SubjectError(
            f"{subject!r} is not a valid subject: its tokens, separated by dots, must not be empty "
            "or contain white space, '*' or '>'",
        )
    return subject


def subject_bytes(subject: str) -> bytes:
    """Return a subject's bytes on the wire; see `bridge.jetstream.client`."""
    return subject.encode("utf-8", "surrogateescape")


def shown_subject(subject: str) -> str:
    """Return a subject as text that can be printed, stored and sent."""
    text = subject.encode("utf-8", "backslashreplace").decode()
    return _CONTROL.sub(lambda match: f"\\x{ord(match[0]):02x}", text)


def is_readable_subject(subject: str) -> bool:
    """Return whether a subject is UTF-8 without control characters, so all receivers agree on it."""
    if subject.isascii():
        return _CONTROL.search(subject) is None
    try:
        subject.encode()
    except UnicodeEncodeError:
        return False
    return _CONTROL.search(subject) is None


def check_filter(subject: str) -> str:
    """Return a subject that may hold the wildcards ``*`` and a last ``>`` unchanged.

    Raises:
        SubjectError: It is too long, a token is invalid, or a wildcard is not allowed there.
    """
    *before, last = subject.split(".")
    fits = all(token == "*" or _TOKEN.fullmatch(token) for token in before)  # noqa: S105 - no password
    if not fits or not (last in ("*", ">") or _TOKEN.fullmatch(last)):
        raise SubjectError(
            f"{subject!r} is not a valid subject filter: its tokens, separated by dots, must not "
            "be empty or contain white space; '*' must be a whole token, '>' the last token",
        )
    if len(subject) > MAX_LENGTH:
        raise SubjectError(
            f"the filter is {len(subject)} characters long; the maximum is {MAX_LENGTH}"
        )
    return subject


def matches(pattern: str, subject: str) -> bool:
    """Return whether a filter with ``*`` and ``>`` covers a subject."""
    wanted, given = pattern.split("."), subject.split(".")
    if wanted[-1] == ">":
        wanted.pop()
        if len(given) <= len(wanted):
            return False
        given = given[: len(wanted)]
    return len(wanted) == len(given) and all(
        want in ("*", have) for want, have in zip(wanted, given, strict=True)
    )


def topic_for(event_type: str, stream: str = "events") -> str:
    """Return ``events.<domain>.<name>`` for a type ``….<domain>.<name>[.v<n>]``.

    With ``stream`` ``results`` it is ``results.<domain>.<name>``. Only the last two labels before
    the version count, so a topic always has three tokens. The version is not part of the topic.

    Raises:
        SubjectError: The type has fewer than two labels before the version.
    """
    labels = _VERSION.sub("", event_type).split(".")[-_LABELS:]
    if len(labels) < _LABELS:
        raise SubjectError(
            f"cannot derive a topic from the type {event_type!r}: use a type such as "
            "'com.example.<domain>.<name>.v1', or give a topic"
        )
    return check_subject(".".join([stream, *labels]))


def may_meet(one: str, other: str) -> bool:
    """Return whether some subject is covered by both filters."""
    left, right = one.split("."), other.split(".")
    for a, b in zip(left, right, strict=False):
        if ">" in (a, b):
            return True
        if a != b and "*" not in (a, b):
            return False
    return len(left) == len(right)
