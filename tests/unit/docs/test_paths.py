"""The documents name source files that exist, no source file is long, the top level is as agreed."""

import re
import subprocess
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
TOP = {
    *(
        "bridge",
        "eventstore",
        "workflows",
        "tests",
        "compose",
        "docs",
    ),
    *("pyproject.toml", "constraints.txt", "Makefile"),
    *("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "LICENSE", "SECURITY.md"),
}


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


def test_nothing_else_lies_at_the_top_of_the_repository() -> None:
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout, so what the repository keeps is unknown")
    kept = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True, text=True
    )
    tops = {name.partition("/")[0] for name in kept.stdout.split("\0") if name}
    assert {top for top in tops - TOP if not top.startswith(".")} == set()
