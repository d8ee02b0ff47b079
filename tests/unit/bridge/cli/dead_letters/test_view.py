"""A letter as a person sees it: all of it, and nothing a terminal would act upon."""

import base64

import pytest

from bridge.cli.dead_letters.view import (
    hex_lines,
    letter_row,
    lines_of,
    print_letter,
    whole_row,
)
from bridge.dead_letters.store import HistoryEntry
from tests.unit.bridge.dead_letters.builders import AT, letter


def shown(payload: bytes | None) -> str:
    return "\n".join(lines_of(letter(payload=payload), ()))


def test_text_is_shown_as_text() -> None:
    assert '  {"n": "ä"}' in shown('{"n": "ä"}'.encode())
    assert "as text" in shown(b"")
    assert "bytes" not in shown(None)


@pytest.mark.parametrize("payload", [b"\xff\xfe", b"a\0b"])
def test_other_bytes_are_shown_in_hex(payload: bytes) -> None:
    assert f"00000000  {payload.hex(' ')}" in shown(payload)


def test_long_payloads_are_cut_and_say_so() -> None:
    text = shown(b"x" * 200_000)
    assert len(text) < 70_000
    assert "--raw writes all of them" in text


def test_nothing_reaches_the_terminal_that_acts_there(
    capsys: pytest.CaptureFixture[str],
) -> None:
    evil = "\x1b]0;owned\x07\u202e"
    whole = letter(
        reason=evil, headers={evil: evil}, payload=evil.encode(), traceback=evil, topic=evil
    )
    entry = HistoryEntry(at=AT, what="left-open", who=evil, detail=evil)
    print_letter(whole, [entry], "table")
    text = capsys.readouterr().out
    assert not {"\x1b", "\x07", "\u202e"} & set(text)
    assert text.count("\\x1b]0;owned\\x07\\u202e") == 8


def test_no_line_of_a_reason_passes_for_a_field() -> None:
    assert "\n            state  open" in "\n".join(
        lines_of(letter(reason="x\nstate  open"), ())
    )


def test_hex_lines_are_sixteen_bytes_each() -> None:
    first, second = hex_lines(bytes(range(0x41, 0x52)))
    assert first.endswith("ABCDEFGHIJKLMNOP")
    assert second == f"00000010  51{' ' * 45}  Q"


def test_json_holds_text_or_base64() -> None:
    assert whole_row(letter(payload=b"text"), ())["payload_text"] == "text"
    row = whole_row(letter(payload=b"\xff"), ())
    assert base64.b64decode(row["payload_base64"]) == b"\xff"
    assert whole_row(letter(payload=None), ())["payload_base64"] is None


def test_only_a_table_cuts_the_reason() -> None:
    long = letter(reason="x" * 200 + "\nmore")
    assert letter_row(long, cut=False)["reason"] == long.reason
    assert letter_row(long, cut=True)["reason"] == "x" * 80 + "…"
