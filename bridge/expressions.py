"""CEL over one event: compiled and type-checked when a routes file is loaded, evaluated at intake.

An expression sees ``event.id``, ``.source``, ``.type``, ``.subject``, ``.time``, ``.topic``,
``.uid``, ``.correlationid`` (strings, empty when unset), ``event.extensions`` (a map) and
``data`` (the event's JSON data, null without any). Names are declared one by one, so that a
misspelt one is an error when the file is loaded and not on the day it matters.

Source: Common Expression Language (cel-spec), by Google's own C++ implementation.
"""

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import msgspec
from cel_expr_python import cel  # type: ignore[import-untyped]
from typing_extensions import override

from bridge.errors import ExpressionError
from eventstore.events import Event

_TEXTS = ("id", "source", "type", "subject", "time", "topic", "uid", "correlationid")
_VARIABLES = {
    **{f"event.{name}": cel.Type.STRING for name in _TEXTS},
    "event.extensions": cel.Type.Map(cel.Type.STRING, cel.Type.DYN),
    "data": cel.Type.DYN,
}
_MAX_LENGTH = 10_000
_FAULT = re.compile(r"<input>:(\d+):(\d+): (.*?)(?: \(in container '')?\)?$", re.MULTILINE)


class CelExpression:
    """A compiled expression; equal to another one of the same text."""

    __slots__ = ("_compiled", "result_type", "text")

    def __init__(self, text: str, compiled: cel.Expression) -> None:
        self.text = text
        self._compiled = compiled
        self.result_type: str = compiled.return_type().name()
        """CEL's name of the type it gives, ``DYN`` where that depends on the data."""

    @override
    def __eq__(self, other: object) -> bool:
        return isinstance(other, CelExpression) and other.text == self.text

    @override
    def __hash__(self) -> int:
        return hash(self.text)

    @override
    def __repr__(self) -> str:
        return f"CelExpression({self.text!r})"

    def evaluate(self, activation: cel.Activation) -> Any:
        """Return the value as plain Python.

        Raises:
            ExpressionError: It cannot be evaluated on this event.
        """
        try:
            result = self._compiled.eval(activation)
            value = result.plain_value()
        except Exception as error:
            raise ExpressionError(f"{self.text!r} failed: {_first_line(error)}") from error
        if result.type() == cel.Type.ERROR:
            raise ExpressionError(f"{self.text!r} failed: {value}")
        return value


@lru_cache(maxsize=1)
def _environment() -> cel.Env:
    return cel.NewEnv(variables=_VARIABLES)


def compile_expression(text: str) -> CelExpression:
    """Compile and type-check an expression.

    Raises:
        ExpressionError: It is no CEL, names something that does not exist, or mixes types;
            says at which line and column of the expression.
    """
    if len(text) > _MAX_LENGTH:
        raise ExpressionError(
            f"the expression is {len(text)} characters long: {_MAX_LENGTH} fit"
        )
    try:
        return CelExpression(text, _environment().compile(text))
    except RuntimeError as error:
        fault = _FAULT.search(str(error))
        if fault is None:
            raise ExpressionError(f"{text!r}: {_first_line(error)}") from None
        line, column, what = fault.groups()
        raise ExpressionError(f"{text!r}, line {line}, column {column}: {what}") from None


class EventScope:
    """One event, over which expressions are evaluated. The data is decoded once."""

    def __init__(self, event: Event, topic: str) -> None:
        self._activation = _environment().Activation(_bindings(event, topic))

    def text(self, expression: CelExpression) -> str:
        """Evaluate to a string.

        Raises:
            ExpressionError: It fails, or gives something else.
        """
        value = expression.evaluate(self._activation)
        if not isinstance(value, str):
            raise ExpressionError(
                f"{expression.text!r} gives {type(value).__name__}, where a string is needed",
            )
        return value

    def truth(self, expression: CelExpression) -> bool:
        """Evaluate to a truth value.

        Raises:
            ExpressionError: It fails, or gives something else.
        """
        value = expression.evaluate(self._activation)
        if not isinstance(value, bool):
            raise ExpressionError(
                f"{expression.text!r} gives {type(value).__name__}, where a bool is needed",
            )
        return value

    def value(self, expression: CelExpression) -> Any:
        """Evaluate to a JSON value.

        Raises:
            ExpressionError: It fails, or gives what JSON cannot say.
        """
        value = expression.evaluate(self._activation)
        try:
            msgspec.json.encode(value)
        except (TypeError, ValueError, msgspec.MsgspecError) as error:
            raise ExpressionError(f"{expression.text!r} gives no JSON: {error}") from error
        return value


def _bindings(event: Event, topic: str) -> Mapping[str, Any]:
    return {
        "event.id": event.id,
        "event.source": event.source,
        "event.type": event.type,
        "event.subject": event.subject or "",
        "event.time": event.time or "",
        "event.topic": topic,
        "event.uid": str(event.uid),
        "event.correlationid": str(event.extensions.get("correlationid", event.id)),
        "event.extensions": dict(event.extensions),
        "data": _data(event),
    }


def _data(event: Event) -> Any:
    if event.data is None:
        return None
    if not event.has_json_data:
        return event.data
    return msgspec.json.decode(event.data)


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__
