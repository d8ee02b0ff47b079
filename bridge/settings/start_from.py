"""Where a source begins the first time: ``new``, ``all``, ``2h``, a time or a sequence. Pure."""

import re
from datetime import datetime, timedelta
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from bridge.runtime.durations import MAX_SECONDS, moment, read_duration

Start = Literal["all", "new"] | timedelta | datetime | int
"""Every message, only new ones, those of the last while, those since a time, those from a sequence."""

_SEQUENCE = re.compile(r"[0-9]{1,19}")
_MAX_SEQUENCE = 2**63 - 1


def read_start(text: str) -> Start:
    """Read a starting point; a time without an offset is UTC.

    Raises:
        ValueError: The text is not a starting point; the message lists the accepted forms.
    """
    if text in ("all", "new"):
        return "all" if text == "all" else "new"
    if _SEQUENCE.fullmatch(text):
        sequence = int(text)
        if not 1 <= sequence <= _MAX_SEQUENCE:
            raise ValueError("a sequence must be 1 or more, and below 2^63")
        return sequence
    ago = read_duration(text)
    if ago is not None:
        if not 0 < ago <= MAX_SECONDS:
            raise ValueError("must be more than 0 seconds, and at most ten years")
        return timedelta(seconds=ago)
    try:
        return moment(text)
    except ValueError:
        raise ValueError(
            f"{text!r} is not a starting point: write all, new, how long ago (2h, 7d), an ISO 8601 "
            "time, or a sequence of the stream"
        ) from None


def _as_text(value: Any) -> Any:
    # A file has a sequence as a number, an environment variable has it as a text.
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _checked(text: str) -> str:
    read_start(text)
    return text


StartFrom = Annotated[
    str, BeforeValidator(_as_text), Field(max_length=64), AfterValidator(_checked)
]
"""The setting, as `read_start` reads it."""
