"""Text of others is shown as it is, or escaped: a terminal never acts upon it."""

import json
from typing import Any

import pytest
import structlog

from bridge.cli.events.view import event_row
from bridge.cli.printer import Printer
from bridge.runtime import logs
from bridge.runtime.terminal import escaped, escaped_json
from eventstore.events import Event
from tests.support.hostile import ACTED_UPON, HOSTILE

SAFE = ["", "plain", "Zürich 日本 🙂", "a\\x1bb", "[bold]x[/x] :sparkles: 00:ab:cd"]


@pytest.mark.parametrize("text", SAFE)
def test_visible_text_stays_as_it_is(text: str) -> None:
    assert escaped(text) == text


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_what_is_left_is_visible_and_can_be_encoded(text: str) -> None:
    shown = escaped(text)
    assert shown.isprintable()
    assert not ACTED_UPON & set(shown)
    shown.encode()
    assert len(shown) >= len(text)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b]0;x\x07", "\\x1b]0;x\\x07"),
        ("\x9b31m", "\\x9b31m"),
        ("a\u202eb\u200bc", "a\\u202eb\\u200bc"),
        ("\u034f\u3164", "\\u034f\\u3164"),
        ("\U000e0041", "\\U000e0041"),
        ("a\nb\r\t", "a\\nb\\r\\t"),
        ("\udcff", "\\udcff"),
    ],
)
def test_the_escape_names_the_character(text: str, shown: str) -> None:
    assert escaped(text) == shown


def test_some_characters_may_be_kept() -> None:
    assert escaped("a\nb\x1b", keep="\n") == "a\nb\\x1b"


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_escaped_json_means_the_same(text: str) -> None:
    shown = escaped_json(json.dumps({"x": text}, ensure_ascii=False))
    assert not ACTED_UPON & set(shown)
    assert json.loads(shown) == {"x": text}


@pytest.mark.parametrize("output", ["table", "json", "ndjson"])
@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_every_table_shows_every_text(
    text: str, output: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    if output != "table" and not _is_unicode(text):
        pytest.skip("no JSON comes to hold a lone surrogate")
    printer = Printer(output, ("id", "count"))
    printer.all([{"id": text, "count": 1}])
    printer.stream({"id": text, "count": 1})
    out = capsys.readouterr().out
    if output == "table":
        assert not ACTED_UPON & set(out)
        assert out.count(escaped(text)[:8].strip()) >= 2
    else:
        whole, _, last = out.rstrip("\n").rpartition("\n")
        rows = json.loads(whole)
        assert (rows[0] if output == "json" else rows) == json.loads(last)
        assert json.loads(last) == {"id": text, "count": 1}


def _is_unicode(text: str) -> bool:
    return not any("\ud800" <= each <= "\udfff" for each in text)


NUMBERS = (
    b'{"big":123456789012345678901234567890,"long":0.1000000000000000055511151231257827,'
    b'"far":1E+400,"tiny":5e-999,"zero":-0.0}'
)


@pytest.mark.parametrize("output", ["table", "json", "ndjson"])
def test_numbers_of_events_are_printed_as_they_were_stored(
    output: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    event = Event(id="1", source="/s", type="io.example.a.v1", data=NUMBERS)
    Printer(output, ("id", "data")).stream(event_row(event, "events.a"))
    assert NUMBERS.decode() in capsys.readouterr().out


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_a_log_line_on_the_console_is_one_visible_line(
    text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    logs.configure("info", as_json=False)
    try:
        structlog.get_logger().info(f"heard {text}", subject=text, **{text or "x": 1})
        said = capsys.readouterr().err
    finally:
        structlog.reset_defaults()
    assert said.endswith("\n")
    assert not ACTED_UPON & set(said)
    assert said.count("\n") == 1
