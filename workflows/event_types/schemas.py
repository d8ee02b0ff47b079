"""JSON Schemas of the data of events (draft 2020-12), from the messages.

Only requests forbid further members: the runs refuse them too (`workflows.platform.inputs`). Other
events may get members in a later version, and their readers should ignore what they do not know.
"""

import inspect
from typing import Any

from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema
from typing_extensions import override

from workflows.event_types.table import EventType

_INVENTED = frozenset({"ge", "le"})
"""Keywords that pydantic writes for limits of durations, and that JSON Schema does not have."""
_DIALECT = "https://json-schema.org/draft/2020-12/schema"


class _Generator(GenerateJsonSchema):
    @override
    def timedelta_schema(self, schema: core_schema.TimedeltaSchema) -> JsonSchemaValue:
        # What `workflows.messages.durations.Duration` reads and writes.
        return {"type": ["string", "number"]}


def schema_of(event_type: EventType) -> dict[str, Any]:
    """Return the JSON Schema of a type's data."""
    schema = event_type.message.model_json_schema(
        by_alias=False,
        mode="validation" if event_type.is_published else "serialization",
        schema_generator=_Generator,
    )
    document: dict[str, Any] = {
        "$schema": _DIALECT,
        "title": event_type.name,
        "description": described(event_type.message),
        **{key: value for key, value in schema.items() if key not in {"title", "description"}},
    }
    plain: dict[str, Any] = _plain(document, closed=event_type.is_request)
    return plain


def described(message: type) -> str:
    """Return the docstring of a message as one paragraph per line."""
    paragraphs = inspect.cleandoc(message.__doc__ or "").split("\n\n")
    return "\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)


def _plain(schema: Any, *, closed: bool, is_root: bool = True) -> Any:
    """Return a schema without generated titles; with ``closed``, objects take no further members."""
    if isinstance(schema, list):
        return [_plain(each, closed=closed, is_root=False) for each in schema]
    if not isinstance(schema, dict):
        return schema
    result: dict[str, Any] = {}
    for key, value in schema.items():
        if key in {"properties", "$defs"}:
            result[key] = {
                name: _plain(each, closed=closed, is_root=False) for name, each in value.items()
            }
        elif key in {"default", "examples", "enum", "const"}:
            result[key] = value
        elif key == "description" and not is_root:
            result[key] = " ".join(value.split())
        elif key in _INVENTED or (key == "title" and not is_root):
            continue
        else:
            result[key] = _plain(value, closed=closed, is_root=False)
    if closed and "properties" in result:
        result.setdefault("additionalProperties", False)
    return result
