"""Builds the documentation as a site, ``python -m compose.release.site``: the pages of ``docs``, and references made from the code.

Sphinx runs in a copy of the repository's tree, so that the same relative links lead to the same places; a warning, such as a
link that leads nowhere, fails the build. It needs no network.
"""

import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from compose.release.references import pages

ROOT = Path(__file__).parents[2]
TREES = (
    "docs",
    "bridge",
    "eventstore",
    "workflows",
    "compose",
)
FILES = ("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md", "LICENSE")

CONFIGURATION = """\
project = "nats-temporal-bridge"
extensions = ["myst_parser"]
html_theme = "furo"
root_doc = "index"
include_patterns = ["index.md", "*.md", "docs/**.md"]
exclude_patterns = ["bridge", "eventstore", "workflows", "compose"]
myst_heading_anchors = 4
# mermaid is drawn by the hosts of repositories; here its text is shown.
suppress_warnings = ["misc.highlighting_failure", "myst.header"]
"""

INDEX = """\
# nats-temporal-bridge

```{{toctree}}
:caption: Start
:maxdepth: 1
README
docs/adoption
docs/pipelines
```

```{{toctree}}
:caption: Guides
:maxdepth: 1
{guides}
```

```{{toctree}}
:caption: Reference
:maxdepth: 1
docs/events
{references}
```

```{{toctree}}
:caption: Project
:maxdepth: 1
docs/architecture
docs/benchmarks
{decisions}
CHANGELOG
CONTRIBUTING
SECURITY
```
"""
_PLACED = {"adoption", "pipelines", "events", "architecture", "benchmarks"}
_LINK = re.compile(r"\[(?P<text>[^\]]+)\]\((?P<target>[^)#\s:]+)(#[^)]*)?\)")


def build(target: Path) -> None:
    """Build the site into a folder."""
    with tempfile.TemporaryDirectory() as name:
        source = Path(name)
        _copy(source)
        references = source / "docs" / "reference"
        references.mkdir()
        made = pages()
        for page, text in made.items():
            (references / f"{page}.md").write_text(text, encoding="utf-8")
        (source / "index.md").write_text(_index(source, list(made)), encoding="utf-8")
        (source / "conf.py").write_text(CONFIGURATION, encoding="utf-8")
        for page in [*source.glob("*.md"), *(source / "docs").rglob("*.md")]:
            page.write_text(_without_folders(page), encoding="utf-8")
        shutil.rmtree(target, ignore_errors=True)
        subprocess.run(  # noqa: S603 - our own tools
            [
                sys.executable,
                "-m",
                "sphinx",
                "-q",
                "-W",
                "--keep-going",
                "-b",
                "html",
                source,
                target,
            ],
            check=True,
        )


def _copy(source: Path) -> None:
    ignored = shutil.ignore_patterns("__pycache__", "secrets")
    for tree in TREES:
        shutil.copytree(ROOT / tree, source / tree, ignore=ignored)
    for file in FILES:
        shutil.copy(ROOT / file, source / file)


def _index(source: Path, references: list[str]) -> str:
    guides = sorted(
        each.stem for each in (source / "docs").glob("*.md") if each.stem not in _PLACED
    )
    decisions = sorted(each.stem for each in (source / "docs" / "decisions").glob("*.md"))
    return INDEX.format(
        guides="\n".join(f"docs/{each}" for each in guides),
        references="\n".join(f"docs/reference/{each}" for each in references),
        decisions="\n".join(f"docs/decisions/{each}" for each in decisions),
    )


def _without_folders(page: Path) -> str:
    """Return a page whose links to folders are plain text: a site has no pages of folders."""

    def shown(link: re.Match[str]) -> str:
        is_folder = (page.parent / link["target"]).is_dir()
        return link["text"] if is_folder else link[0]

    return _LINK.sub(shown, page.read_text(encoding="utf-8"))


if __name__ == "__main__":
    build(ROOT / "site")
