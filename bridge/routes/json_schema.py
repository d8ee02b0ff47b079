"""The JSON Schema of routes files, for completion and checks in editors.

``routes.schema.json`` in this folder is its output; a test keeps it current.
"""

from pathlib import Path
from typing import Any

import msgspec

from bridge.operations import OPERATIONS
from bridge.routes.model import RoutesFile

FILE = Path(__file__).with_name("routes.schema.json")


def json_schema() -> dict[str, Any]:
    """Return the schema (draft 2020-12)."""
    schema = RoutesFile.model_json_schema(by_alias=True)
    # A Python validator enforces this; repeat it in the schema for editors.
    schema["$defs"]["Route"]["oneOf"] = [{"required": [name]} for name in OPERATIONS]
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def rendered() -> str:
    """Return the text of ``routes.schema.json``."""
    return msgspec.json.format(msgspec.json.encode(json_schema()), indent=2).decode() + "\n"
