"""Durations in the data of events."""

from datetime import timedelta
from typing import Annotated, Any

from pydantic import BeforeValidator, PlainSerializer

from bridge.runtime.durations import read_duration


def _read(value: Any) -> Any:
    if isinstance(value, bool):
        raise ValueError("a duration is not a boolean")  # noqa: TRY004 - for pydantic
    seconds = read_duration(value) if isinstance(value, str) else None
    if seconds is None:
        return value  # a number, or ISO 8601
    try:
        return timedelta(seconds=seconds)
    except OverflowError:
        raise ValueError(f"the duration {value[:40]!r} is too long") from None


Duration = Annotated[
    timedelta,
    BeforeValidator(_read),
    PlainSerializer(lambda length: length.total_seconds(), return_type=float, when_used="json"),
]
"""``30s``, ``5m``, ``24h``, ``1h30m``, ``7d``, a number of seconds, or ISO 8601 (``PT24H``).

Serialized as seconds.
"""
