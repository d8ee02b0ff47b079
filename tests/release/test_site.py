"""The documentation's site, and its references, which name everything that the code has."""

import importlib
from pathlib import Path
from types import ModuleType

import pytest

from bridge.settings.schema import Settings
from bridge.telemetry import METRICS, SPANS
from compose.release import references
from tests.support.servers import ROOT


@pytest.fixture(scope="module")
def pages() -> dict[str, str]:
    return dict(references.pages())


def test_every_setting_has_a_line_with_its_variable(pages: dict[str, str]) -> None:
    found = pages["settings"]
    for section in Settings.model_fields:
        assert f"`{section}" in found
    for line in (
        "| `nats.url` | `NTBRIDGE_NATS__URL` | `nats://127.0.0.1:4222` | One or more server URLs",
        "| `stop_within` | `NTBRIDGE_STOP_WITHIN` | `25.0` | How long a stop may take.",
        "| `database_url` | `DATABASE_URL` | required |",
        "| `qtest.containment` | `NTBRIDGE_WORKER_QTEST__CONTAINMENT` | `required` |",
        "| `events_queue` | `NTBRIDGE_EMIT__TASK_QUEUE` |",
    ):
        assert line in found


def test_every_metric_and_span_is_listed(pages: dict[str, str]) -> None:
    for metric in METRICS:
        assert f"| `{metric.name}` | {metric.kind} |" in pages["metrics"]
    for span in SPANS:
        assert f"| `{span.name}` | {span.kind} |" in pages["metrics"]


def test_commands_and_keys_of_routes_are_listed(pages: dict[str, str]) -> None:
    for command in ("ntbridge dead-letters redrive", "ntbridge-worker check", "pipelines run"):
        assert command in pages["commands"]
    for key in ("when_missing", "task_queue", "from"):
        assert f"| `{key}` |" in pages["routes"]


@pytest.fixture
def site() -> ModuleType:
    pytest.importorskip("sphinx", reason="make .venv/docs.stamp")
    return importlib.import_module("compose.release.site")


@pytest.mark.slow
def test_the_site_has_every_page_and_no_broken_link(site: ModuleType, tmp_path: Path) -> None:
    site.build(tmp_path / "site")
    made = {each.relative_to(tmp_path / "site") for each in (tmp_path / "site").rglob("*.html")}
    for page in (ROOT / "docs").rglob("*.md"):
        assert page.relative_to(ROOT).with_suffix(".html") in made
    for name in ("commands", "settings", "routes", "metrics"):
        assert Path(f"docs/reference/{name}.html") in made
    # It loads nothing from elsewhere.
    index = (tmp_path / "site" / "README.html").read_text(encoding="utf-8")
    assert 'src="http' not in index
    assert 'rel="stylesheet" type="text/css" href="http' not in index


@pytest.mark.slow
def test_a_link_that_leads_nowhere_fails_the_build(
    site: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(site, "INDEX", f"{site.INDEX}\n[broken](docs/nowhere.md)\n")
    with pytest.raises(Exception, match="non-zero exit status"):
        site.build(tmp_path / "site")
