"""Points in time as people write them. Pure."""

import re
from datetime import UTC, datetime, timedelta

_DURATION = re.compile(r"(\d+(?:\.\d+)?)(s|m|h|d)")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def moment(text: str) -> datetime:
    """Read ``10m``, ``2h`` (ago) or an ISO 8601 time, which is UTC unless it says otherwise.

    Raises:
        ValueError: It is neither; the message says what would be.
    """
    ago = _DURATION.fullmatch(text)
    try:
        if ago:
            return datetime.now(UTC) - timedelta(**{_UNITS[ago.group(2)]: float(ago.group(1))})
        found = datetime.fromisoformat(text)
    except (ValueError, OverflowError):
        raise ValueError(
            f"{text!r} is no point in time: give how long ago (30s, 10m, 2h, 7d) or "
            "an ISO 8601 time",
        ) from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)
