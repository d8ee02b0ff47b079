"""docs/operating.md shows the tables in code; run this file to update the document."""

import re
from importlib import import_module
from pathlib import Path

from bridge.runtime.metrics import Metric, as_markdown
from bridge.telemetry.spans import SPANS

DOCUMENT = Path(__file__).parents[3] / "docs" / "operating.md"
_SECTION = re.compile(
    r"<!-- (?P<what>metrics: (?P<module>[\w.]+)|spans) -->\n.*?<!-- end -->", re.DOTALL
)


def metrics_of(module: str) -> str:
    found: tuple[Metric, ...] = import_module(module).METRICS
    return as_markdown(found)


def spans() -> str:
    rows = [
        f"| `{span.name}` | {span.kind} | {span.parent} | {span.meaning} |" for span in SPANS
    ]
    return "\n".join(["| span | kind | parent | covers |", "|---|---|---|---|", *rows])


def written(document: str) -> str:
    """Return the document with each table generated from the code."""

    def table(section: re.Match[str]) -> str:
        rows = metrics_of(section["module"]) if section["module"] else spans()
        return f"<!-- {section['what']} -->\n{rows}\n<!-- end -->"

    return _SECTION.sub(table, document)


def test_the_document_shows_the_tables() -> None:
    document = DOCUMENT.read_text()
    assert [each["what"] for each in _SECTION.finditer(document)] == [
        "spans",
        "metrics: bridge.telemetry",
        "metrics: workflows.worker.telemetry",
    ]
    assert document == written(document), f"run: python {__file__}"


if __name__ == "__main__":
    DOCUMENT.write_text(written(DOCUMENT.read_text()))
