"""Whether an event is one that a route is for. Pure."""

import re
from collections.abc import Sequence
from functools import lru_cache

from bridge.routes.model import Route
from bridge.subjects import matches
from eventstore.events import Event


def mismatch(route: Route, topic: str, event: Event) -> str | None:
    """Return the first condition on the envelope that does not hold, ``None`` if all do."""
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
    """Tell whether a text is the wanted one, or begins with it if that ends with ``*``."""
    if wanted is None:
        return True
    return given.startswith(wanted[:-1]) if wanted.endswith("*") else given == wanted


def is_among(patterns: Sequence[str], text: str) -> bool:
    """Tell whether a text is like one of the patterns, in which ``*`` stands for anything."""
    return any(_compiled(pattern).fullmatch(text) for pattern in patterns)


def may_begin_like(pattern: str, prefix: str) -> bool:
    """Tell whether some text that begins with the prefix is like the pattern."""
    literal, star, _ = pattern.partition("*")
    if not star:
        return literal.startswith(prefix)
    return literal.startswith(prefix) or prefix.startswith(literal)


@lru_cache(maxsize=4096)
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(".*".join(map(re.escape, pattern.split("*"))), re.DOTALL)


def _text(value: str | int | bool) -> str:  # noqa: FBT001 - what an attribute may be
    """Return an attribute's value as CloudEvents writes it: booleans in lower case."""
    return str(value).lower() if isinstance(value, bool) else str(value)
