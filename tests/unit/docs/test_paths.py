"""The documents name source files that exist, and no source file is long."""

import re
from pathlib import Path

import pytest

from tests.support.servers import ROOT

DOCUMENTS = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    *sorted((ROOT / "docs").rglob("*.md")),
]
PATH = re.compile(
    r"(?<![\w:/.-])(?:\.\./)*(?:bridge|eventstore|tests|workflows)/[\w./-]+\.py\b"
)
LINK = re.compile(r"\]\((?P<path>[^)#:\s]+\.py)(?:#[^)]*)?\)")
MAX_LINES = 350


def missing(document: Path) -> set[str]:
    """The paths of Python files in a document that lead nowhere."""
    text = document.read_text(encoding="utf-8")
    links = {match["path"] for match in LINK.finditer(text)}
    named = set(PATH.findall(LINK.sub("]()", text)))
    return {path for path in links if not (document.parent / path).is_file()} | {
        path for path in named if not (ROOT / path).is_file()
    }


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_source_files_that_a_document_names_exist(document: Path) -> None:
    assert missing(document) == set()


def test_a_path_that_leads_nowhere_is_found(tmp_path: Path) -> None:
    document = tmp_path / "document.md"
    document.write_text(
        "See `bridge/gone.py`, `bridge/errors.py` and [this](bridge/errors.py)."
    )
    assert missing(document) == {"bridge/gone.py", "bridge/errors.py"}


@pytest.mark.parametrize("package", ["bridge", "eventstore", "workflows"])
def test_no_source_file_is_long(package: str) -> None:
    lines = {
        str(path.relative_to(ROOT)): len(path.read_text(encoding="utf-8").splitlines())
        for path in (ROOT / package).rglob("*.py")
    }
    assert {path: count for path, count in lines.items() if count > MAX_LINES} == {}
