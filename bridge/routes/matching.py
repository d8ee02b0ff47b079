"""Matches an event's envelope against a route. Pure."""

from collections.abc import Sequence

from bridge.jetstream.subjects import matches
from bridge.routes.model import Route
from eventstore.events import Event


def mismatch(route: Route, topic: str, event: Event) -> str | None:
    """Return the first envelope condition that is false; None if all are true."""
    if not matches(route.subject, topic):
        return f"from: {topic!r} is not covered by {route.subject!r}"
    if not is_prefix_or_equal(route.type, event.type):
        return f"type: {event.type!r} is not {route.type!r}"
    if not is_prefix_or_equal(route.source, event.source):
        return f"source: {event.source!r} is not {route.source!r}"
    for name, wanted in route.extensions.items():
        given = event.extensions.get(name)
        if given is None:
            return f"extensions.{name}: the event has none"
        if _text(given) != wanted:
            return f"extensions.{name}: {_text(given)!r} is not {wanted!r}"
    return None


def is_prefix_or_equal(wanted: str | None, given: str) -> bool:
    """Return whether a text equals the wanted one, or begins with it if that ends with ``*``."""
    if wanted is None:
        return True
    return given.startswith(wanted[:-1]) if wanted.endswith("*") else given == wanted


def is_among(patterns: Sequence[str], text: str) -> bool:
    """Return whether a text matches one of the patterns, in which ``*`` matches any text."""
    return any(_is_like(pattern, text) for pattern in patterns)


def _is_like(pattern: str, text: str) -> bool:
    """Match without backtracking: each piece is matched at its first occurrence.

    A regular expression would try all ways to distribute the text among the stars.
    """
    first, *others = pattern.split("*")
    if not others:
        return text == pattern
    *inner, last = others
    end = len(text) - len(last)
    if not text.startswith(first) or not text.endswith(last) or end < len(first):
        return False
    at = len(first)
    for piece in inner:
        found = text.find(piece, at, end)
        if found < 0:
            return False
        at = found + len(piece)
    return True


def may_begin_like(pattern: str, prefix: str) -> bool:
    """Return whether some text that begins with the prefix matches the pattern."""
    literal, star, _ = pattern.partition("*")
    if not star:
        return literal.startswith(prefix)
    return literal.startswith(prefix) or prefix.startswith(literal)


def _text(value: str | int | bool) -> str:  # noqa: FBT001 - what an attribute may be
    """Return an attribute's value in CloudEvents string form: booleans in lower case."""
    return str(value).lower() if isinstance(value, bool) else str(value)
