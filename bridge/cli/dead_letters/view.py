"""Output of dead letters: as a row, or in full with readable bytes."""

import sys
from base64 import b64encode
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from bridge.cli import exits
from bridge.cli.common import note
from bridge.cli.exits import Exit
from bridge.cli.printer import Column, Output, Printer
from bridge.cloudevents.headers import Headers
from bridge.dead_letters.store import HistoryEntry, Letter, LetterGroup, WholeLetter
from bridge.history.redrive import Redriven
from bridge.runtime.terminal import print_text

_MAX_CELL = 80
_MAX_SHOWN_BYTES = 64 * 1024
_HEX_WIDTH = 16
_PRINTABLE = range(0x20, 0x7F)
_LABEL_WIDTH = 12


COLUMNS = (
    Column("id", cuts=False),
    Column("recorded_at", "recorded", kind="age", cuts=False),
    Column("stage"),
    Column("code"),
    Column("route"),
    Column("event", kind="uid", of=lambda row: row["uid"] or row["event_id"]),
    Column("reason"),
    Column("state", wide=True),
    Column("attempts", wide=True),
    Column("event_id", wide=True),
)
"""The columns of a list of dead letters."""


def letter_row(letter: Letter, *, cut: bool) -> Mapping[str, Any]:
    """Return a dead letter as a row; for a table, its reason is cut to one line."""
    row: dict[str, Any] = msgspec.structs.asdict(letter)
    if cut:
        first = letter.reason.partition("\n")[0]
        row["reason"] = first if len(first) <= _MAX_CELL else f"{first[:_MAX_CELL]}…"
    return row


def print_groups(groups: Sequence[LetterGroup], output: Output | None) -> None:
    """Print the number of dead letters of each kind."""
    rows: list[Mapping[str, Any]] = [
        {"stage": each.stage, "code": each.code, "route": each.route, "letters": each.letters}
        for each in groups
    ]
    Printer(output, ("stage", "code", "route", "letters")).all(rows)


def print_letter(
    letter: WholeLetter, history: Sequence[HistoryEntry], output: Output | None
) -> None:
    """Print all that is stored of a dead letter."""
    if output in ("json", "ndjson", "yaml"):
        Printer(output).one(whole_row(letter, history))
    else:
        for line in lines_of(letter, history):
            print_text(line)


def write_bytes(payload: bytes) -> None:
    """Write bytes unchanged to standard output.

    Raises:
        Exit: Standard output is a terminal, which could interpret them.
    """
    if sys.stdout.isatty():
        raise Exit(
            exits.USAGE,
            "--raw writes bytes unchanged: redirect them to a file or a pipe (> FILE)",
        )
    sys.stdout.buffer.write(payload)
    sys.stdout.buffer.flush()


def tell_outcomes(
    numbers: Sequence[int], outcomes: Sequence[Redriven], *, dry_run: bool
) -> int:
    """Print the outcomes of a redrive; return the exit code."""
    good = sum(each.outcome in ("redriven", "would-redrive") for each in outcomes)
    left = sum(each.outcome == "left-open" for each in outcomes)
    note(
        f"{good} would be redriven, {left} would stay open"
        if dry_run
        else f"{good} redriven, {left} left open"
    )
    missing = tell_missing(numbers, (each.letter for each in outcomes))
    return exits.FAILED if left or missing else exits.OK


def tell_missing(numbers: Iterable[int], handled: Iterable[int]) -> bool:
    """Print which requested dead letters are not open; return whether there are any."""
    missing = sorted({*numbers}.difference(handled))
    if missing:
        note(f"not open, or unknown: {', '.join(map(str, missing))}")
    return bool(missing)


def whole_row(letter: WholeLetter, history: Sequence[HistoryEntry]) -> dict[str, Any]:
    """Return a dead letter as JSON: the bytes as text, or in base64 if they are not text."""
    row: dict[str, Any] = msgspec.to_builtins(letter)
    encoded = row.pop("payload")
    subject = row.pop("subject")
    if subject is not None:
        row["subject_base64"] = subject
    if letter.headers is not None and letter.headers.fault is not None:
        row["header_block_base64"] = b64encode(letter.headers.block).decode()
    text = None if letter.payload is None else as_text(letter.payload)
    row.update({"payload_base64": encoded} if text is None else {"payload_text": text})
    return {**row, "history": msgspec.to_builtins(history)}


def lines_of(letter: WholeLetter, history: Sequence[HistoryEntry]) -> Iterator[str]:
    """Yield a dead letter line by line, not yet escaped."""
    about = [letter.event_id, letter.event_source and f"from {letter.event_source}"]
    where = letter.stream and f"{letter.stream}, sequence {letter.sequence}"
    fields = {
        "letter": f"{letter.id}, {letter.state}",
        "stage": letter.stage,
        "code": letter.code,
        "reason": letter.reason,
        "route": letter.route and f"{letter.route}, generation {letter.generation}",
        "event": " ".join(filter(None, about)) or None,
        "type": letter.event_type,
        "uid": letter.uid and str(letter.uid),
        "message": where,
        "topic": letter.topic,
        "attempts": str(letter.attempts),
        "recorded": letter.recorded_at.isoformat(),
        "notified": letter.notified_at.isoformat() if letter.notified_at else "not yet",
        "closed": letter.closed_at and letter.closed_at.isoformat(),
    }
    for name, value in fields.items():
        if value:
            first, *more = value.split("\n")
            yield f"{name:<{_LABEL_WIDTH}}{first}"
            yield from (f"{'':<{_LABEL_WIDTH}}{line}" for line in more)
    if letter.subject is not None:
        yield "subject     byte for byte"
        yield from (f"  {line}" for line in hex_lines(letter.subject))
    yield from _header_lines(Headers.of(letter.headers))
    yield from _payload_lines(letter.payload)
    if letter.traceback:
        yield "traceback"
        yield from (f"  {line}" for line in _lines(letter.traceback))
    if history:
        yield "history"
        for entry in history:
            detail = f": {entry.detail}" if entry.detail else ""
            yield f"  {entry.at.isoformat()} {entry.what} by {entry.who}{detail}"


def _header_lines(headers: Headers) -> Iterator[str]:
    if headers.fault is not None:
        yield f"headers     {len(headers.block)} bytes, as hex"
        yield from (f"  {line}" for line in hex_lines(headers.block[:_MAX_SHOWN_BYTES]))
    elif headers:
        yield "headers"
        for name, value in headers.items():
            yield f"  {name}: {value}"


def _payload_lines(payload: bytes | None) -> Iterator[str]:
    if payload is None:
        return
    shown = payload[:_MAX_SHOWN_BYTES]
    text = as_text(payload)
    kind = "text" if text is not None else "hex"
    yield f"bytes       {len(payload)}, as {kind}"
    if text is None:
        yield from (f"  {line}" for line in hex_lines(shown))
    else:
        yield from (f"  {line}" for line in _lines(text[:_MAX_SHOWN_BYTES]))
    if len(payload) > len(shown):
        yield f"  … the rest of {len(payload)} bytes: --raw writes all of them"


def _lines(text: str) -> list[str]:
    """Return the lines of a text; only a line feed ends one."""
    return text.removesuffix("\n").split("\n")


def as_text(payload: bytes) -> str | None:
    """Return bytes as text if they are readable, else None."""
    try:
        text = payload.decode()
    except UnicodeDecodeError:
        return None
    return None if "\0" in text else text


def hex_lines(payload: bytes) -> Iterator[str]:
    """Yield bytes as offset, hexadecimal and ASCII, sixteen a line."""
    for start in range(0, len(payload), _HEX_WIDTH):
        part = payload[start : start + _HEX_WIDTH]
        plain = "".join(chr(byte) if byte in _PRINTABLE else "." for byte in part)
        yield f"{start:08x}  {part.hex(' '):<{3 * _HEX_WIDTH - 1}}  {plain}"
