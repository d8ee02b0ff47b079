"""Where a result event travels: a subject derived from its type."""

import re

from workflows.errors import InvalidResultTypeError

_VERSION = re.compile(r"\.v\d+$")
_TOKEN = re.compile(r"[A-Za-z0-9_-]+")


def topic_of(event_type: str) -> str:
    """Return ``results.<domain>.<name>`` for a type ``<authority>.<domain>.<name>[.v<n>]``.

    ``io.quantum-suite.code-generation.completed.v1`` travels on
    ``results.code-generation.completed``. However many labels the authority has, the last two
    before the version count, so that a subscriber always finds three tokens; the version is
    for readers of the event, not for the address.

    Raises:
        InvalidResultTypeError: When there are fewer than two labels, or one of the two is no
            plain NATS token (letters, digits, ``-`` and ``_``).
    """
    *_, domain, name = ["", *_VERSION.sub("", event_type).split(".")]
    if not (_TOKEN.fullmatch(domain) and _TOKEN.fullmatch(name)):
        raise InvalidResultTypeError(
            f"no subject follows from the event type {event_type!r}: name it like "
            "'io.quantum-suite.<domain>.<name>.v1', with letters, digits, '-' and '_' only"
        )
    return f"results.{domain}.{name}"
