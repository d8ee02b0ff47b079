"""Fields of operations' specs whose text is compiled when a routes file is loaded."""

from typing import Annotated, Any

from pydantic import PlainSerializer, PlainValidator, WithJsonSchema

from bridge.errors import ExpressionError
from bridge.expressions import CelExpression, compile_expression


def _compiled(value: Any) -> CelExpression:
    if isinstance(value, CelExpression):
        return value
    if not isinstance(value, str):
        raise ExpressionError("a CEL expression is text; quote it")
    return compile_expression(value)


CompiledExpression = Annotated[
    CelExpression,
    PlainValidator(_compiled),
    WithJsonSchema({"type": "string", "description": "CEL over event and data"}),
    PlainSerializer(lambda expression: expression.text, return_type=str),
]
"""A CEL expression over ``event`` and ``data``; a mistake in it is a load error."""
