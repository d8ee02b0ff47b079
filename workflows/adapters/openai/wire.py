"""The used parts of such a server's messages."""

import math
import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final, TypeVar

import msgspec

from workflows.errors import GatewayFailedError

Sent = TypeVar("Sent", bound=msgspec.Struct)

_MAX_WAIT: Final = 3600.0
"""Maximum seconds to wait if the server asks for it."""


class ErrorBody(msgspec.Struct, frozen=True):
    """The reason of a failure."""

    message: str = "no reason given"
    code: str | int | None = None


class Refusal(msgspec.Struct, frozen=True):
    """The body of an error response."""

    error: ErrorBody | str = ErrorBody()

    @property
    def problem(self) -> ErrorBody:
        """The error, whether the server sent an object or text."""
        return ErrorBody(self.error) if isinstance(self.error, str) else self.error


class Delta(msgspec.Struct, frozen=True):
    """The text that a chunk adds to the answer, or the whole text of an answer in one piece.

    A model that calls a tool instead of answering sends ``tool_calls`` or ``function_call``.
    """

    content: str | None = None
    tool_calls: list[Any] | None = None
    function_call: Any = None


class Choice(msgspec.Struct, frozen=True):
    """One of several alternative answers; we request one.

    ``message`` is there instead of ``delta`` if the server ignores ``stream``.
    """

    delta: Delta = Delta()
    message: Delta | None = None
    finish_reason: str | None = None


class TokenCounts(msgspec.Struct, frozen=True):
    """The tokens of a question and its answer."""

    prompt_tokens: int | None = None
    completion_tokens: int | None = None


class Chunk(msgspec.Struct, frozen=True):
    """A part of a streamed answer, or an error in the middle of it."""

    choices: list[Choice] = []
    model: str | None = None
    error: ErrorBody | None = None
    usage: TokenCounts | None = None


class Embedding(msgspec.Struct, frozen=True):
    """The vector of one text."""

    embedding: list[float]


class EmbeddingsReply(msgspec.Struct, frozen=True):
    """The vectors of all texts that were sent."""

    data: list[Embedding]


def decoded(data: str | bytes, kind: type[Sent]) -> Sent:
    """Decode JSON.

    Raises:
        GatewayFailedError: It is not JSON, or has another form; says where, and how it begins.
    """
    try:
        return msgspec.json.decode(data, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise GatewayFailedError(
            f"the server sent an answer that cannot be read: {error}; it begins with {data[:80]!r}"
        ) from error


def patience(asked: str) -> float | None:
    """Return the seconds of a ``Retry-After``, in either of its forms (RFC 9110)."""
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


# The code in a language model's answer.

_FENCED = re.compile(r"^(`{3,})([^\n`]*)\n(.*?)^\1[ \t]*$", re.MULTILINE | re.DOTALL)
_THOUGHT = re.compile(r"\A\s*<(think|thinking|reasoning)>.*?(</\1>|\Z)", re.DOTALL)
_THOUGHT_END = re.compile(
    r"\A.*^[ \t]*</(think|thinking|reasoning)>[ \t]*$", re.MULTILINE | re.DOTALL
)
"""Templates of some servers put the opening tag into the prompt: only the closing one is sent."""
_DEFINED = re.compile(r"^(?:async +)?(?:def|class) +(\w+)", re.MULTILINE)
_OTHER = frozenset({"bash", "console", "json", "output", "sh", "shell", "text", "toml", "yaml"})
"""Languages of blocks that show how to use the code."""
_ALIASES = {
    "bash": frozenset({"bash", "sh", "shell"}),
    "shell": frozenset({"bash", "sh", "shell"}),
}


def code_in(answer: str, language: str = "python") -> str | None:
    """Return the code in an answer; None if there is none.

    Thoughts before the answer are left out, with the drafts in them. Of several fenced blocks it
    is the longest, or a later one that defines the same names: a correction. Without a fence it is
    the whole answer.
    """
    answer = _THOUGHT_END.sub("", _THOUGHT.sub("", answer), count=1)
    found = [(match[2].strip().lower(), match[3]) for match in _FENCED.finditer(answer)]
    other = _OTHER - _ALIASES.get(language, {language})
    blocks = [block for tag, block in found if tag not in other]
    if not found and "```" in answer:
        # There is an opening fence, but no closing one.
        blocks = [answer.partition("```")[2].partition("\n")[2]]
    elif not found:
        blocks = [answer]
    code = max(blocks, key=len, default="")
    defined = set(_DEFINED.findall(code))
    for block in blocks[blocks.index(code) + 1 :] if defined else []:
        if defined <= set(_DEFINED.findall(block)):
            code = block
    return f"{code.strip()}\n" if code.strip() else None
