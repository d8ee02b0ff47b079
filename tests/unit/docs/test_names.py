"""What the documents tell people to type names streams and consumers that exist."""

import re
from collections.abc import Iterator
from pathlib import Path

from bridge.jetstream.own_streams import used_streams
from bridge.settings.schema import Settings
from tests.support.servers import ROOT

CONSUMER = re.compile(
    r"nats consumer (?:info|rm|next|report|edit|pause|resume) (\S+) ([^\s`'\"]+)"
)
STREAM = re.compile(r"nats stream (?:info|rm|purge|view|get|edit|report|subjects) ([^\s`'\"]+)")
SETTINGS = Settings()


def commands(pattern: re.Pattern[str]) -> Iterator[tuple[Path, re.Match[str]]]:
    documents = [
        ROOT / "README.md",
        *(ROOT / "docs").glob("*.md"),
        *(ROOT / "compose").rglob("*.yaml"),
    ]
    for path in documents:
        for match in pattern.finditer(path.read_text(encoding="utf-8")):
            yield path, match


def test_consumers_are_those_of_the_sources() -> None:
    known = {(source.stream, source.durable) for source in SETTINGS.intake.sources}
    found = [(path, match.groups()) for path, match in commands(CONSUMER)]
    assert found
    for path, names in found:
        assert names in known, path


def test_streams_are_those_that_are_made() -> None:
    known = {plan.name for plan in used_streams(SETTINGS)}
    found = [(path, match[1]) for path, match in commands(STREAM)]
    assert found
    for path, name in found:
        assert name in known, path
