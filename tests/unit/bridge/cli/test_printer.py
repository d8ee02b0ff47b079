"""Rows in each format; tables that fit, and columns that somebody chose."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
import yaml

from bridge.cli.exits import Exit
from bridge.cli.printer import Column, Printer, _widths

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)
ROWS: list[dict[str, Any]] = [
    {
        "uid": UUID(int=0x1F2E3D4C << 96),
        "at": NOW - timedelta(minutes=5),
        "reason": "x" * 200,
        "more": ["a", "b"],
        "none": None,
    }
]
COLUMNS = (
    Column("uid", "event", kind="uid"),
    Column("at", "recorded", kind="age"),
    Column("reason"),
    Column("more", wide=True),
)


def printed(
    capsys: pytest.CaptureFixture[str], output: Any, only: str | None = None
) -> list[str]:
    Printer(output, COLUMNS, only=only, now=NOW).all(ROWS)
    return [line.rstrip() for line in capsys.readouterr().out.splitlines()]


def test_a_table_shows_ages_and_the_beginning_of_uids(
    capsys: pytest.CaptureFixture[str],
) -> None:
    head, row = printed(capsys, "table")
    assert head.split() == ["event", "recorded", "reason"]
    assert row.split() == ["1f2e3d4c", "5", "min", "ago", "x" * 200]


def test_wide_shows_all_and_cuts_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    head, row = printed(capsys, "wide")
    assert head.split() == ["event", "recorded", "reason", "more", "none"]
    assert row.startswith("1f2e3d4c-0000-0000-0000-000000000000  2026-11-30 11:55:00Z  xxx")
    assert row.endswith("a, b  -")


def test_columns_are_chosen_in_every_format(capsys: pytest.CaptureFixture[str]) -> None:
    assert printed(capsys, "table", "more,at") == ["more  recorded", "a, b  5 min ago"]
    assert [json.loads(line) for line in printed(capsys, "ndjson", "more,at")] == [
        {"more": ["a", "b"], "at": "2026-11-30T11:55:00Z"}
    ]
    assert yaml.safe_load("\n".join(printed(capsys, "yaml", "none"))) == [{"none": None}]
    with pytest.raises(Exit, match="there is no column nothing; there are: uid, at"):
        printed(capsys, "table", "nothing")


def test_json_and_yaml_say_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    by_json = json.loads("\n".join(printed(capsys, "json")))
    assert by_json[0]["uid"] == str(ROWS[0]["uid"])
    assert by_json[0]["reason"] == "x" * 200
    by_yaml = yaml.safe_load("\n".join(printed(capsys, "yaml")))
    assert by_yaml == by_json


def test_with_little_room_the_widest_column_gives_way() -> None:
    columns = [Column("id", cuts=False), Column("a"), Column("b")]
    texts = [["x" * 30, "y" * 60, "z" * 10]]
    assert _widths(columns, texts, None) == [30, 60, 10]
    assert _widths(columns, texts, 80) == [30, 36, 10]
    assert _widths(columns, texts, 50) == [30, 8, 8]
    assert _widths(columns, texts, 10) == [30, 4, 4]
