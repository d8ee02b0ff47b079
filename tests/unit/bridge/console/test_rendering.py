"""What templates do with text of others, times, numbers and bytes; and the files of others."""

import re
from datetime import UTC, datetime
from hashlib import sha256
from importlib import resources

import pytest

from bridge.console.rendering import (
    MAX_SHOWN,
    body,
    environment,
    grouped,
    query,
    seconds,
    sentence,
    size,
    tone,
    when,
)
from tests.support.hostile import ACTED_UPON, HOSTILE


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_text_is_bounded_and_shows_no_character_that_acts(text: str) -> None:
    line = (
        environment()
        .from_string("<p title='{{ text | shown }}'>{{ text | shown }}</p>")
        .render(text=text)
    )
    assert not ACTED_UPON & set(line)
    assert len(line) < 20 * MAX_SHOWN
    assert "<" not in line.removeprefix("<p title='").removesuffix("</p>").replace("'>", "", 1)
    line.encode()


def test_markup_in_text_is_escaped() -> None:
    rendered = (
        environment()
        .from_string("{{ text | shown }} {{ text }} {{ data | body }}")
        .render(text="<script>alert('x')</script>", data=b"<img src=x onerror=alert(1)>")
    )
    assert "<script" not in rendered
    assert "<img" not in rendered


def test_data_is_indented_if_it_is_json_and_cut_if_it_is_long() -> None:
    assert body(b'{"a":[1]}') == '{\n  "a": [\n    1\n  ]\n}'
    assert body(b"\x00\xffno") == "\\x00\\xffno"
    assert body(b"x" * 100, 10).endswith("the rest of 100 bytes is not shown")
    assert body(b"[" * 5000).startswith("[[")
    assert "\u202e" not in body('{"a": "\u202e"}'.encode())
    assert body(None) == ""


def test_a_time_is_exact_in_its_title() -> None:
    moment = datetime(2026, 11, 30, 4, 5, 6, 789000, tzinfo=UTC)
    html = str(when(moment.astimezone(tz=None)))
    assert 'title="2026-11-30T04:05:06.789Z"' in html
    assert ">2026-11-30 04:05:06 UTC<" in html
    assert when(None) == "\N{EN DASH}"


def test_numbers_durations_and_sizes_are_for_people() -> None:
    assert grouped(1_234_567) == "1\u202f234\u202f567"
    assert grouped(["a", "b"]) == "2"
    assert [seconds(each) for each in (0.0015, 0.05, 12.34, 61, 3_700, 90_000)] == [
        "1.5 ms",
        "50 ms",
        "12.3 s",
        "1 min 1 s",
        "1 h 1 min",
        "1 d 1 h",
    ]
    assert [size(each) for each in (0, 2048, 5 * 2**30)] == ["0 bytes", "2 KiB", "5.0 GiB"]
    assert seconds(None) == size(None) == "\N{EN DASH}"
    assert [tone(each) for each in ("done", "dead", "open", "skipped")] == [
        "good",
        "bad",
        "busy",
        "quiet",
    ]


def test_a_query_leaves_out_what_is_empty() -> None:
    assert query(a="x&y", b="", c=None, d=3) == "?a=x%26y&d=3"
    assert query() == ""


def test_the_files_of_others_are_those_that_their_list_names() -> None:
    folder = resources.files("bridge.console") / "static" / "vendor"
    listed = dict(
        re.findall(
            r"^\| `(\S+)` .* `([0-9a-f]{64})` \|$",
            (folder / "README.md").read_text("utf-8"),
            re.MULTILINE,
        )
    )
    found = {
        each.name: sha256(each.read_bytes()).hexdigest()
        for each in folder.iterdir()
        if each.name.endswith((".js", ".css"))
    }
    assert listed == found


def test_templates_have_no_script_style_or_address_of_their_own() -> None:
    folder = resources.files("bridge.console") / "templates"
    for each in folder.iterdir():
        text = each.read_text("utf-8")
        assert not re.search(
            r"<style|\sstyle=|\son[a-z]+=|<script(?! src=\"/static/)|hx-on|\|\s*safe", text
        ), each.name
        assert not re.search(r"(src|href)=\"(https?:)?//", text), each.name


def test_times_in_a_sentence_are_times_that_the_script_shows_in_its_zone() -> None:
    assert sentence("paused since 2026-11-30 14:05:09Z by ada: <noon>") == (
        'paused since <time datetime="2026-11-30T14:05:09.000Z" title="2026-11-30T14:05:09.000Z">'
        "2026-11-30 14:05:09 UTC</time> by ada: &lt;noon&gt;"
    )
    many = sentence(
        "2026-01-01T00:00:00.5+00:00, 2026-01-02 10:00:00 UTC, 2026-01-02 12:00:00.28518+02"
    )
    assert many.count("<time ") == 3
    assert many.count("2026-01-02T10:00:00") == 2 + 2  # each in its attribute and its title


@pytest.mark.parametrize(
    "text",
    [
        "no time at all",
        "2026-02-31 10:00:00Z",  # no day of the calendar
        "2026-11-30 14:05:09",  # of an unknown zone
        "id-2026-11-30 14:05:09Z",
        "2026-11-30 14:05:09Zulu",
    ],
)
def test_what_is_no_time_stays_text(text: str) -> None:
    assert sentence(text) == text


def test_a_sentence_is_cut_and_escaped_as_text_is() -> None:
    assert sentence("<b>" * MAX_SHOWN).count("<") == 0
    assert len(sentence("x" * 1000)) == MAX_SHOWN + 1
    assert sentence(None) == ""
