"""What such a server sends, as far as it is of use here."""

import math
import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final, TypeVar

import msgspec

from workflows.errors import GatewayFailedError

Sent = TypeVar("Sent", bound=msgspec.Struct)

_MAX_WAIT: Final = 3600.0
"""Seconds that we are willing to wait because we were asked to."""


class ErrorBody(msgspec.Struct, frozen=True):
    """Why there is no answer."""

    message: str = "no reason given"
    code: str | int | None = None


class Refusal(msgspec.Struct, frozen=True):
    """The body of an answer that is none."""

    error: ErrorBody | str = ErrorBody()

    @property
    def problem(self) -> ErrorBody:
        """The problem, whether or not the server made an object of it."""
        return ErrorBody(self.error) if isinstance(self.error, str) else self.error


class Delta(msgspec.Struct, frozen=True):
    """What a chunk adds to the answer."""

    content: str | None = None


class Choice(msgspec.Struct, frozen=True):
    """One of the answers that are written at the same time; we ask for one."""

    delta: Delta = Delta()
    finish_reason: str | None = None


class Chunk(msgspec.Struct, frozen=True):
    """A piece of a streamed answer, or what went wrong in the middle of it."""

    choices: list[Choice] = []
    model: str | None = None
    error: ErrorBody | None = None


class Embedding(msgspec.Struct, frozen=True):
    """The vector of one text."""

    embedding: list[float]


class EmbeddingsReply(msgspec.Struct, frozen=True):
    """The vectors of all texts that were sent."""

    data: list[Embedding]


def decoded(data: str | bytes, kind: type[Sent]) -> Sent:
    """Decode JSON.

    Raises:
        GatewayFailedError: When it is none, or of another form; says where, and how it begins.
    """
    try:
        return msgspec.json.decode(data, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise GatewayFailedError(
            f"the server sent what cannot be read: {error}; it begins with {data[:80]!r}"
        ) from error


def patience(asked: str) -> float | None:
    """Return for how many seconds a ``Retry-After`` asks, in either of its forms (RFC 9110)."""
    asked = asked.strip()
    try:
        seconds = float(asked)
    except ValueError:
        try:
            when = parsedate_to_datetime(asked)
        except ValueError:
            return None
        seconds = (when.replace(tzinfo=when.tzinfo or UTC) - datetime.now(UTC)).total_seconds()
    return min(max(seconds, 0.0), _MAX_WAIT) if math.isfinite(seconds) else None


# What is code in a language model's answer.

_FENCED = re.compile(r"^(`{3,})[^\n`]*\n(.*?)^\1[ \t]*$", re.MULTILINE | re.DOTALL)


def code_in(answer: str) -> str | None:
    """Return the longest fenced block, the whole answer where there is none, None if empty."""
    blocks = [match[2] for match in _FENCED.finditer(answer)]
    if not blocks and "```" in answer:
        # The first fence is there, and the last one is not.
        blocks = [answer.partition("```")[2].partition("\n")[2]]
    code = max(blocks, key=len) if blocks else answer
    return f"{code.strip()}\n" if code.strip() else None
