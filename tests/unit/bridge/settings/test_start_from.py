"""The setting that says where a source begins."""

from datetime import UTC, datetime, timedelta

import pytest
from pydantic import ValidationError

from bridge.settings.schema import SourceSettings
from bridge.settings.start_from import Start, read_start


@pytest.mark.parametrize(
    ("text", "start"),
    [
        ("all", "all"),
        ("new", "new"),
        ("2h", timedelta(hours=2)),
        ("1h30m", timedelta(minutes=90)),
        ("12", 12),
        ("2026-03-01T10:00:00Z", datetime(2026, 3, 1, 10, tzinfo=UTC)),
        ("2026-03-01T12:00:00+02:00", datetime(2026, 3, 1, 10, tzinfo=UTC)),
        ("2026-03-01", datetime(2026, 3, 1, tzinfo=UTC)),
    ],
)
def test_what_it_may_be(text: str, start: Start) -> None:
    assert read_start(text) == start
    assert SourceSettings(start_from=text).start_from == text


def test_a_file_has_a_sequence_as_a_number() -> None:
    assert SourceSettings.model_validate({"start_from": 12}).start_from == "12"


@pytest.mark.parametrize(
    "text",
    ["", "0", "-1", "yesterday", "9999999999999999999", "0s", "99999d", "1.5", True, 1.5],
)
def test_what_it_may_not_be(text: object) -> None:
    with pytest.raises(ValidationError):
        SourceSettings.model_validate({"start_from": text})
