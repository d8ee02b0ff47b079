"""Lengths of time in events' data, as people write them."""

import re
from datetime import timedelta
from typing import Annotated, Any

from pydantic import BeforeValidator, PlainSerializer

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_PART = re.compile(r"(\d+(?:\.\d+)?)([smhd])")
_WHOLE = re.compile(r"(?:\d+(?:\.\d+)?[smhd])+")


def _read(value: Any) -> Any:
    if isinstance(value, str) and _WHOLE.fullmatch(value):
        parts = _PART.findall(value)
        try:
            return sum(
                (timedelta(**{_UNITS[unit]: float(n)}) for n, unit in parts), timedelta()
            )
        except OverflowError:
            raise ValueError(f"the length of time {value[:40]!r} is too long") from None
    if isinstance(value, bool):
        raise ValueError("a length of time is no truth value")  # noqa: TRY004 - for pydantic
    return value


Duration = Annotated[
    timedelta,
    BeforeValidator(_read),
    PlainSerializer(lambda length: length.total_seconds(), return_type=float, when_used="json"),
]
"""``30s``, ``5m``, ``24h``, ``1h30m``, ``7d``, a number of seconds, or ISO 8601 (``PT24H``).

Written as seconds.
"""
