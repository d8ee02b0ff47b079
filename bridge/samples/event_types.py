"""The JSON Schemas that ship: those of the reference pipelines' events and of the bridge's own.

The folder lies beside the sample routes, so intake checks events by it when these routes are used.
`workflows.event_types` writes the schemas of the pipelines.
"""

from functools import cache
from pathlib import Path

from bridge.routes.schemas import FOLDER, SchemaRegistry, load_schemas
from eventstore.events import Event

SCHEMAS = Path(__file__).parent / FOLDER


def names() -> list[str]:
    """Return the event types that have a schema."""
    return sorted(path.stem for path in SCHEMAS.glob("*.json"))


def violation(event: Event) -> str | None:
    """Return how the data of an event violates the schema of its type; None if it does not."""
    if event.type not in names():
        return None
    return _registry().check(event)


@cache
def _registry() -> SchemaRegistry:
    return load_schemas(SCHEMAS)
