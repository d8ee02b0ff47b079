"""Write the JSON Schemas and the reference into the checkout that this package is in."""

import json
from pathlib import Path

from workflows.event_types.reference import reference
from workflows.event_types.schemas import schema_of
from workflows.event_types.table import event_types

ROOT = Path(__file__).parents[2]
SCHEMAS = Path("bridge/samples/schemas")
REFERENCE = Path("docs/events.md")


def generated() -> dict[Path, str]:
    """Return the content of each file, by its path in the checkout."""
    schemas = {
        SCHEMAS / f"{each.name}.json": json.dumps(schema_of(each), indent=1) + "\n"
        for each in event_types()
    }
    return {**schemas, REFERENCE: reference(event_types())}


def main() -> None:
    """Write the files."""
    for path, content in generated().items():
        (ROOT / path).parent.mkdir(exist_ok=True)
        (ROOT / path).write_text(content)


if __name__ == "__main__":
    main()
