"""Sessions: who has logged in, in memory. A restart of the console ends them all."""

import hmac
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256

from bridge.console.access import Identity

_MAX_SESSIONS = 1_000
_BYTES = 32


@dataclass(frozen=True, slots=True)
class _Session:
    identity: Identity
    until: float


class Sessions:
    """The sessions of one console.

    Args:
        seconds: How long a session lasts.
        clock: A clock in seconds that never goes back.
    """

    def __init__(self, seconds: float, clock: Callable[[], float]) -> None:
        self._seconds = seconds
        self._clock = clock
        self._open: dict[str, _Session] = {}
        self._key = secrets.token_bytes(_BYTES)

    def begin(self, identity: Identity) -> str:
        """Begin a session and return its id, which is the cookie; the oldest may end for it."""
        if len(self._open) >= _MAX_SESSIONS:
            del self._open[next(iter(self._open))]
        number = secrets.token_urlsafe(_BYTES)
        self._open[number] = _Session(identity, self._clock() + self._seconds)
        return number

    def find(self, number: str) -> Identity | None:
        """Return whose session this is; None if it has ended."""
        session = self._open.get(number)
        if session is None:
            return None
        if session.until <= self._clock():
            del self._open[number]
            return None
        return session.identity

    def end(self, number: str) -> None:
        """End a session."""
        self._open.pop(number, None)

    def csrf_token(self, number: str, identity: Identity) -> str:
        """Return what a form must send back: it proves that a page of this console sent it."""
        of = f"{number}\n{identity.via}\n{identity.name}"
        return hmac.new(self._key, of.encode("utf-8", "surrogatepass"), sha256).hexdigest()

    def is_csrf_token(self, given: str, number: str, identity: Identity) -> bool:
        """Return whether a form sent the right token back."""
        return hmac.compare_digest(
            self.csrf_token(number, identity), given.encode("ascii", "replace").decode()
        )
