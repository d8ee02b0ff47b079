r"""Parses NATS header blocks; all code that needs headers uses this parser. Pure.

nats-server stores any bytes as a header block, and client libraries parse them differently: they
take the last or the first of two equal names, join or drop folded lines, and replace, keep or refuse
bytes that are not UTF-8.

The format (ADR-4 of nats-architecture-and-design)::

    NATS/1.0\r\n
    <name>:<value>\r\n          name: printable ASCII without the colon; case is kept
    \r\n

The parser never returns a header that two clients could parse differently:

- A block of another form (folded line, bare CR or LF, control character, line without a colon,
  an inline status, no empty line at the end) gives no headers and a `Headers.fault`.
- A header with two different values, or with bytes that are not UTF-8, is omitted. If the bridge
  uses that header (`is_read`), this is also a fault. An invalid trace context is only omitted, as
  W3C Trace Context requires: it must not make the event invalid.
"""

import re
from collections.abc import Mapping
from typing import Self

_BLOCK = re.compile(rb"NATS/1\.0\r\n(?:[!-9;-~]+:[\t\x20-\x7e\x80-\xff]*\r\n)*\r\n")
_STATUS = re.compile(rb"NATS/1\.0 +(\d{3})(?: ([^\r\n]*))?\r\n")
_NAME = re.compile(r"[!-9;-~]+")
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_NO_UTF_8 = re.compile("[\ud800-\udfff]")
_BYTE_ORDER_MARK = "\ufeff"
_BEGIN = b"NATS/1.0\r\n"
_END = "\r\n"
_BLANKS = " \t"
_READ = ("ce-", "ntbridge-", "nats-schedule", "nats-marker")
_READ_NAMES = frozenset({"content-type", "status", "nats-msg-id", "kv-operation"})
_MAX_SHOWN = 80


class Headers(dict[str, str]):
    """The headers of one message, by name as sent, without ambiguous ones.

    Attributes:
        block: The header block, byte for byte; empty when the message has none.
        fault: Why the message must be refused, as text for a person; None if it is valid.
    """

    __slots__ = ("block", "fault")

    def __init__(self, block: bytes = b"", fault: str | None = None) -> None:
        super().__init__()
        self.block = block
        self.fault = fault

    def __bool__(self) -> bool:
        """Return whether the message has a header block, valid or not.

        So ``headers or {}`` never hides a fault.
        """
        return bool(self.block)

    @classmethod
    def of(cls, headers: Mapping[str, str] | None) -> Self:
        """Return `Headers` of names and values, as if parsed from a block."""
        if isinstance(headers, cls):
            return headers
        pairs = list((headers or {}).items())
        lines = "".join(f"{name}: {value}{_END}" for name, value in pairs)
        made = cls(_BEGIN + _encoded(lines) + b"\r\n" if pairs else b"")
        made._take(pairs)
        return made

    @classmethod
    def read(cls, block: bytes | None) -> Self:
        """Parse the header block of a stream message."""
        if not block:
            return cls()
        headers = cls(block)
        if _BLOCK.fullmatch(block) is None:
            headers.fault = _fault_of(block)
            return headers
        text = block[len(_BEGIN) : -len(_END)].decode("utf-8", "surrogateescape")
        pairs = []
        for line in text.split(_END)[:-1]:
            name, _, value = line.partition(":")
            pairs.append((name, value.strip(_BLANKS)))
        headers._take(pairs)
        return headers

    @classmethod
    def read_reply(cls, block: bytes | None) -> Self:
        """Parse the header block of a message that does not come from a stream.

        An inline status (``NATS/1.0 404 No Messages``) becomes the headers ``Status`` and
        ``Description``. Only control messages of the server (answers, heartbeats) have one.
        """
        status = _STATUS.match(block or b"")
        if block is None or status is None:
            return cls.read(block)
        headers = cls.read(_BEGIN + block[status.end() :])
        headers.block = block
        code, description = status.groups(b"")
        headers["Status"] = code.decode()
        if description:
            headers["Description"] = description.decode(errors="replace")
        return headers

    def _take(self, pairs: list[tuple[str, str]]) -> None:
        values: dict[str, str] = {}
        left_out: set[str] = set()
        for name, value in pairs:
            key = name.lower()
            problem = None
            if values.setdefault(key, value) != value:
                problem = "is given twice, with different values"
            elif not value.isascii():
                if _NO_UTF_8.search(value):
                    problem = "holds bytes that are not UTF-8"
                elif value.startswith(_BYTE_ORDER_MARK):
                    problem = "begins with a byte order mark"
            if problem is None:
                self[name] = value
                continue
            left_out.add(key)
            if self.fault is None and is_read(key):
                self.fault = (
                    f"the header {name!r} {problem}: receivers could read it differently; "
                    "send one value, with everything outside ASCII percent-encoded"
                )
        if left_out:
            for name in [name for name in self if name.lower() in left_out]:
                del self[name]


def _encoded(text: str) -> bytes:
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:  # surrogates that do not represent a byte
        return text.encode("utf-8", "backslashreplace")


def is_read(name: str) -> bool:
    """Return whether the bridge uses the header of a (lower-case) name in its decisions.

    It does not use ``Nats-Stream`` and similar headers: a server adds them again with each
    republishing, so a message may have them twice.
    """
    return name.startswith(_READ) or name in _READ_NAMES


def guessed(block: bytes) -> dict[str, str]:
    """Return likely headers of a block, by name in lower case: for searches, not for decisions."""
    found: dict[str, str] = {}
    for line in block.decode(errors="replace").splitlines():
        name, colon, value = line.partition(":")
        if colon:
            found.setdefault(name.strip().lower(), value.strip())
    return found


def _fault_of(block: bytes) -> str:
    """Return how a block violates the format."""
    first, *lines = block.decode("utf-8", "backslashreplace").split(_END)
    if _STATUS.match(block):
        return "the header block holds an inline status, which only a server may send"
    if first != "NATS/1.0":
        return f"the header block begins with {_shown(first)} instead of 'NATS/1.0'"
    for number, line in enumerate(lines[:-2], start=1):
        problem = _problem_of(line)
        if problem is not None:
            return f"line {number} of the header block {problem}: {_shown(line)}"
    return "the header block does not end with an empty line"


def _problem_of(line: str) -> str | None:
    name, colon, _ = line.partition(":")
    if not line:
        return "is empty, but more headers follow"
    if line[0] in _BLANKS:
        return "begins with white space (a folded line)"
    if _CONTROL.search(line):
        return "holds a control character"
    if not colon:
        return "holds no colon"
    if _NAME.fullmatch(name) is None:
        return "has a name that is not made of printable ASCII without white space"
    return None


def _shown(text: str) -> str:
    return repr(text if len(text) <= _MAX_SHOWN else f"{text[:_MAX_SHOWN]}…")
