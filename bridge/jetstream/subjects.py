"""NATS subjects: what is valid, and the prefix that lets several bridges share one account.

Inside the bridge every subject is written without the prefix (a *topic*); only
`bridge.jetstream.connection` and what it hands out put it on and take it off.
"""

import re

from bridge.errors import SubjectError

RESULT_TOPICS = "results.>"
"""Where all result events go."""

# NATS allows more; what is left out here has a meaning (* > .) or breaks the protocol's lines.
_TOKEN = re.compile(r"[^\s.*>\x00-\x1f\x7f]+")
_VERSION = re.compile(r"\.v\d+$")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_LABELS = 2
MAX_LENGTH = 255
"""Longest subject the bridge publishes to, in characters; nats-server warns beyond it."""


def check_subject(subject: str) -> str:
    """Return a subject without wildcards unchanged.

    Raises:
        SubjectError: A token is empty or holds a character that NATS gives a meaning to.
    """
    if len(subject) > MAX_LENGTH:
        raise SubjectError(f"the subject is {len(subject)} characters long; {MAX_LENGTH} fit")
    if not all(_TOKEN.fullmatch(token) for token in subject.split(".")):
        raise SubjectError(
            f"{subject!r} is no subject: its tokens, parted by dots, must not be empty nor "
            "hold white space, '*' or '>'",
        )
    return subject


def subject_bytes(subject: str) -> bytes:
    """Return a subject as it is on the wire; see `bridge.jetstream.client`."""
    return subject.encode("utf-8", "surrogateescape")


def shown_subject(subject: str) -> str:
    """Return a subject as text that can be printed, stored and sent."""
    text = subject.encode("utf-8", "backslashreplace").decode()
    return _CONTROL.sub(lambda match: f"\\x{ord(match[0]):02x}", text)


def is_readable_subject(subject: str) -> bool:
    """Tell whether every receiver reads a subject alike: UTF-8 without control characters."""
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
        SubjectError: The wildcards stand where NATS does not allow them.
    """
    *before, last = subject.split(".")
    fits = all(token == "*" or _TOKEN.fullmatch(token) for token in before)  # noqa: S105 - no password
    if not fits or not (last in ("*", ">") or _TOKEN.fullmatch(last)):
        raise SubjectError(
            f"{subject!r} is no subject filter: its tokens, parted by dots, must not be empty "
            "nor hold white space; '*' stands for a whole token, '>' for the last ones",
        )
    if len(subject) > MAX_LENGTH:
        raise SubjectError(f"the filter is {len(subject)} characters long; {MAX_LENGTH} fit")
    return subject


def matches(pattern: str, subject: str) -> bool:
    """Tell whether a subject is covered by a filter with ``*`` and ``>``."""
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

    Result events go to ``results.…`` likewise. However many labels the authority has, the last
    two before the version count, so that a subscriber always finds three tokens; the version
    is for readers of the event, not for the address.

    Raises:
        SubjectError: No subject follows from the type.
    """
    labels = _VERSION.sub("", event_type).split(".")[-_LABELS:]
    if len(labels) < _LABELS:
        raise SubjectError(
            f"no subject follows from the type {event_type!r}; name it like "
            "'io.quantum-suite.<domain>.<name>.v1', or name a topic beside it"
        )
    return check_subject(".".join([stream, *labels]))


def may_meet(one: str, other: str) -> bool:
    """Tell whether some subject is covered by both filters."""
    left, right = one.split("."), other.split(".")
    for a, b in zip(left, right, strict=False):
        if ">" in (a, b):
            return True
        if a != b and "*" not in (a, b):
            return False
    return len(left) == len(right)
