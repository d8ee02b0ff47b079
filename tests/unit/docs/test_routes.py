"""Every route in the documentation is loaded, linted and planned, by the tests it stands beside."""

import re
from pathlib import Path

import pytest
import yaml

from bridge import samples
from bridge.jetstream.publishing import complete
from bridge.jetstream.subjects import topic_for
from bridge.routes.lint import lint
from bridge.routes.loading import load_routes
from bridge.routes.route_tests import run_file
from tests.support.servers import ROOT

BLOCK = re.compile(r"^```yaml\n(.*?)^```", re.MULTILINE | re.DOTALL)
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def blocks(document: Path) -> list[str]:
    return BLOCK.findall(document.read_text(encoding="utf-8"))


def of_kind(kind: str) -> list[str]:
    return [
        text
        for document in DOCUMENTS
        for text in blocks(document)
        if kind in (yaml.safe_load(text) or {})
    ]


@pytest.mark.parametrize(
    "text", of_kind("routes"), ids=lambda text: text.split("name: ")[1][:20]
)
def test_routes_in_the_documentation_are_sound(tmp_path: Path, text: str) -> None:
    path = tmp_path / "routes.yaml"
    path.write_text(text, encoding="utf-8")
    assert load_routes(path).routes
    sources = [each["subject"] for each in yaml.safe_load(text).get("sources", ())]
    found = lint(path, sources or ["events.>"])
    assert [each for each in found if each.level != "note"] == []


def test_every_route_in_the_documentation_does_what_its_tests_say(tmp_path: Path) -> None:
    files = [yaml.safe_load(text) for text in of_kind("routes")]
    routes = [route for file in files for route in file["routes"]]
    sources = [source for file in files for source in file.get("sources", ())]
    path = tmp_path / "routes.yaml"
    path.write_text(yaml.safe_dump({"sources": sources, "routes": routes}), encoding="utf-8")
    planned = set()
    for number, text in enumerate(of_kind("tests")):
        file = tmp_path / f"{number}_test.yaml"
        file.write_text(text, encoding="utf-8")
        for result in run_file(load_routes(path), file):
            assert result.passed, f"{result.name}\n{result.difference}"
        for case in yaml.safe_load(text)["tests"]:
            expected = case.get("expect", ())
            planned |= {each["route"] for each in expected if each.get("state") != "dead"}
    assert planned == {route["name"] for route in routes}


def test_the_sample_routes_take_the_sample_events() -> None:
    table = load_routes(samples.ROUTES)
    for name in samples.names():
        event = complete(yaml.safe_load(samples.event(name)))
        plans = table.plan(topic_for(event.type), event)
        assert [plan.state for plan in plans] == ["open"]
