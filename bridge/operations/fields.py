"""Fields of operations' specs whose text is read when a routes file is loaded."""

from collections.abc import Callable
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, PlainSerializer, PlainValidator, WithJsonSchema

from bridge.cel import CelExpression, Gives, compile_expression
from bridge.errors import ExpressionError
from bridge.runtime.durations import MAX_SECONDS, PATTERN, not_a_duration, read_duration


def _compiled(gives: Gives) -> Callable[[Any], CelExpression]:
    def compiled(value: Any) -> CelExpression:
        if isinstance(value, CelExpression):
            return value
        if not isinstance(value, str):
            raise ExpressionError(
                f"a CEL expression is text, not {type(value).__name__}; quote it"
            )
        return compile_expression(value, gives)

    return compiled


_AS_TEXT = PlainSerializer(lambda expression: expression.text, return_type=str)

CompiledExpression = Annotated[
    CelExpression,
    PlainValidator(_compiled("value")),
    WithJsonSchema({"type": "string", "description": "CEL over event and data"}),
    _AS_TEXT,
]
"""A CEL expression over ``event`` and ``data``; a mistake in it is a load error."""

InputExpression = Annotated[
    CelExpression | None,
    PlainValidator(
        lambda value: None if value is None or value == "raw" else _compiled("value")(value)
    ),
    WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "null"}]}),
    PlainSerializer(
        lambda expression: None if expression is None else expression.text,
        return_type=str | None,
    ),
]
"""What a workflow gets: a CEL expression, or ``raw`` (None) for the event's data unchanged."""

TextExpression = Annotated[
    CelExpression,
    PlainValidator(_compiled("string")),
    WithJsonSchema({"type": "string", "description": "CEL that gives a string"}),
    _AS_TEXT,
]
"""One that gives a string (ids, keys): anything else is a load error, as far as CEL can tell."""

TruthExpression = Annotated[
    CelExpression,
    PlainValidator(_compiled("bool")),
    WithJsonSchema({"type": "string", "description": "CEL that gives true or false"}),
    _AS_TEXT,
]
"""One that gives a truth value: anything else is a load error, as far as CEL can tell."""


def _seconds(value: Any) -> float:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    seconds = read_duration(value) if isinstance(value, str) else None
    if seconds is None:
        raise not_a_duration(value)
    return seconds


Duration = Annotated[
    float,
    BeforeValidator(_seconds),
    Field(gt=0, le=MAX_SECONDS),
    WithJsonSchema(
        {
            "description": "30s, 5m, 24h, 1h30m, or a number of seconds",
            "anyOf": [
                {"type": "string", "pattern": PATTERN},
                {"type": "number", "exclusiveMinimum": 0},
            ],
        }
    ),
]
"""A duration, in seconds once it is read."""
