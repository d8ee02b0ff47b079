"""Templates: everything is escaped, bounded, and free of characters that act instead of being seen."""

import re
from collections.abc import Mapping, Sized
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote, urlencode

import msgspec
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape
from starlette.requests import Request
from starlette.responses import HTMLResponse

from bridge.console.guard import csrf_token, identity_of
from bridge.console.parts import Parts
from bridge.runtime.terminal import escaped

MAX_SHOWN = 200
MAX_BODY = 64 * 1024
_KIBI = 1024
_FEW = 10
_NONE = "\N{EN DASH}"
_MINUTE, _HOUR, _DAY = 60, 3600, 86400
_TIME = re.compile(
    r"(?<![\w.:-])\d{4}-\d\d-\d\d[ T]\d\d:\d\d(:\d\d(\.\d{1,6})?)?(Z|[+-]\d\d(:\d\d)?| UTC)(?![\w:])"
)

_GOOD = frozenset(
    {
        "ok",
        "done",
        "duplicate",
        "completed",
        "matched",
        "redriven",
        "finished",
        "granted",
        "announced",
    }
)
_BAD = frozenset(
    {
        *("dead", "collision", "failed", "terminated", "timed-out", "conflict", "set-aside"),
        *("lost", "denied", "left-open"),
    }
)
_BUSY = frozenset(
    {
        "open",
        "waiting",
        "queued",
        "gathering",
        "running",
        "warning",
        "unknown",
        "would-redrive",
        "continued-as-new",
        "paused",
        "starting",
        "interrupted",
    }
)


def environment() -> Environment:
    """Return the templates with the console's filters."""
    made = Environment(
        loader=PackageLoader("bridge.console"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters.update(
        {
            "shown": shown,
            "body": body,
            "when": when,
            "sentence": sentence,
            "grouped": grouped,
            "seconds": seconds,
            "rate": rate,
            "size": size,
            "tone": tone,
            "segment": lambda text: quote(str(text), safe=""),
        }
    )
    made.globals["query"] = query
    return made


def page(request: Request, name: str, /, status: int = 200, **values: Any) -> HTMLResponse:
    """Fill a template for a request."""
    parts: Parts = request.app.state.parts
    return HTMLResponse(fragment(parts, name, **_common(request, parts), **values), status)


def fragment(parts: Parts, name: str, /, **values: Any) -> str:
    """Fill a template that does not depend on who asks."""
    return parts.templates.get_template(name).render(values)


def _common(request: Request, parts: Parts) -> Mapping[str, Any]:
    me = identity_of(request)
    return {
        "me": me,
        "may_act": me is not None and me.may_act and parts.may_write,
        "is_reader": not parts.may_write,
        "csrf": csrf_token(request),
        "path": request.url.path,
        "here": request.url.path + (f"?{request.url.query}" if request.url.query else ""),
        "plugins": parts.plugins,
        "is_fragment": "hx-request" in request.headers,
    }


def shown(text: object, limit: int = MAX_SHOWN) -> str:
    """Return text on one line, cut, with invisible characters as escapes."""
    whole = "" if text is None else str(text)
    cut = whole if len(whole) <= limit else f"{whole[:limit]}…"
    return escaped(cut)


def body(payload: bytes | None, limit: int = MAX_BODY) -> str:
    """Return the bytes of an event's data or a dead letter: indented if it is JSON, cut if it is long."""
    if payload is None:
        return ""
    part = payload[:limit]
    text = part.decode("utf-8", "backslashreplace")
    if len(payload) <= limit:
        # What is not JSON is shown as it is.
        with suppress(msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            text = msgspec.json.format(payload, indent=2).decode()
    visible = escaped(text, keep="\n")
    if len(payload) > limit:
        visible += f"\n… the rest of {len(payload)} bytes is not shown"
    return visible


def when(moment: datetime | None) -> Markup:
    """Return a time: in UTC until the page's script shows it in the browser's zone."""
    if moment is None:
        return escape(_NONE)
    utc = moment.astimezone(UTC)
    exact = utc.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return Markup('<time datetime="{0}" title="{0}">{1}</time>').format(
        exact, utc.strftime("%Y-%m-%d %H:%M:%S UTC")
    )


def sentence(text: object, limit: int = MAX_SHOWN) -> Markup:
    """Return text as `shown` does, with the times in it as times that the page's script shows in its zone."""
    parts, rest = [], shown(text, limit)
    while found := _TIME.search(rest):
        parts.append(escape(rest[: found.start()]))
        parts.append(_time(found[0]))
        rest = rest[found.end() :]
    return Markup().join([*parts, escape(rest)])


def _time(text: str) -> Markup:
    with suppress(ValueError):  # 31 February is text
        return when(datetime.fromisoformat(text.replace(" UTC", "Z")))
    return escape(text)


def grouped(number: float | Sized) -> str:
    """Return a number, or that of a list's members, with its thousands apart."""
    if isinstance(number, Sized):
        number = len(number)
    return f"{number:,.0f}".replace(",", "\N{NARROW NO-BREAK SPACE}")


def seconds(number: float | None) -> str:
    """Return a duration in two significant parts at most."""
    if number is None:
        return _NONE
    if number < 1:
        milliseconds = number * 1000
        return f"{milliseconds:.{0 if milliseconds >= _FEW else 1}f} ms"
    if number < _MINUTE:
        return f"{number:.1f} s"
    if number < _HOUR:
        return f"{number // _MINUTE:.0f} min {number % _MINUTE:.0f} s"
    if number < _DAY:
        return f"{number // _HOUR:.0f} h {number % _HOUR // _MINUTE:.0f} min"
    return f"{number // _DAY:.0f} d {number % _DAY // _HOUR:.0f} h"


def rate(number: float) -> str:
    """Return a rate in events a second."""
    return f"{grouped(number) if number >= _FEW else f'{number:.1f}'}/s"


def size(number: float | None) -> str:
    """Return a number of bytes for people."""
    if number is None:
        return _NONE
    for unit in ("bytes", "KiB", "MiB"):
        if number < _KIBI:
            return f"{number:.0f} {unit}"
        number /= _KIBI
    return f"{number:.1f} GiB"


def tone(word: object) -> str:
    """Return the class of a state: good, bad, busy or quiet."""
    text = str(word)
    if text in _GOOD:
        return "good"
    if text in _BAD:
        return "bad"
    return "busy" if text in _BUSY else "quiet"


def query(**values: object) -> str:
    """Return a query string of the values that are not empty."""
    given = {name: str(value) for name, value in values.items() if value not in (None, "")}
    return f"?{urlencode(given)}" if given else ""
