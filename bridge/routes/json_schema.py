"""The JSON Schema of routes files, by which editors complete and check them.

``routes.schema.json`` beside this module is the same; a test keeps it current.
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
    # What a validator in Python sees to, said so that an editor knows it too.
    schema["$defs"]["Route"]["oneOf"] = [{"required": [name]} for name in OPERATIONS]
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def rendered() -> str:
    """Return the schema as the text of its file."""
    return msgspec.json.format(msgspec.json.encode(json_schema()), indent=2).decode() + "\n"
