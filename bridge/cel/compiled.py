"""A compiled and type-checked CEL expression."""

import re
from collections.abc import Mapping
from functools import cached_property
from typing import Any, Literal

from cel_expr_python import cel  # type: ignore[import-untyped]
from typing_extensions import override

from bridge.cel import syntax
from bridge.cel.cost import Cost, cost_of
from bridge.cel.environment import Over, environment
from bridge.cel.finite import with_finite_texts
from bridge.errors import ExpressionError

Gives = Literal["string", "bool", "value"]
"""The required result type of an expression; ``value`` is any JSON value."""

_MAX_LENGTH = 4_000
_MAX_REASON = 500
"""Maximum characters of an engine error, which may quote a whole text of the event."""
_FAULT = re.compile(r"<input>:(\d+):(\d+): (.*?)(?: \(in container '')?\)?$", re.MULTILINE)
_STATUS = re.compile(r"^[A-Z_]+: | \[[A-Z_]+\]$")
_RIGHT_TYPES: Mapping[Gives, str] = {
    "string": "STRING|DYN",
    "bool": "BOOL|DYN",
    "value": "(?!TYPE).*",
}
_SMALL_TYPES = ("BOOL", "STRING", "INT", "UINT", "DOUBLE")
_PLAIN = {
    "Applying SELECT to non-message type": "it reads a field of a value that has no fields",
}


class CelExpression:
    """A compiled expression; equal to another with the same text over the same names."""

    def __init__(self, text: str, compiled: cel.Expression, over: Over = "event") -> None:
        self.text = text
        self.over = over
        self._serialized: bytes = compiled.serialize()
        finite = with_finite_texts(self._serialized)
        self._compiled = compiled if finite is None else environment(over).deserialize(finite)
        self.result_type: str = compiled.return_type().name()
        """CEL's name of the result type; ``DYN`` if the type depends on the data."""
        self.loops = syntax.loops(self.tree)

    @cached_property
    def tree(self) -> syntax.Node:
        """The expression's syntax tree."""
        return syntax.read(self._serialized)

    @cached_property
    def reads_data(self) -> bool:
        """Whether its value depends on the event's data."""
        return any(path.partition(".")[0] == "data" for path in syntax.paths(self.tree))

    @cached_property
    def cost(self) -> Cost:
        """The worst-case cost of an evaluation."""
        return cost_of(self.tree, small=self.result_type in _SMALL_TYPES)

    def check_constants(self) -> None:
        """Check the parts that are the same for every event.

        Raises:
            ExpressionError: A constant part fails, or a pattern is not a valid regular expression.
        """
        for part in syntax.constant_calls(self._serialized):
            fault = _fault_of(environment().deserialize(with_finite_texts(part) or part), {})
            if fault is not None:
                raise ExpressionError(
                    f"a part of {self.text!r} fails for every event: {fault}", line=1, column=1
                )
        for pattern in syntax.constant_patterns(self.tree):
            fault = _fault_of(environment().compile('"".matches(data)'), {"data": pattern})
            if fault is not None:
                raise ExpressionError(
                    f"{pattern!r} in {self.text!r} is not a valid RE2 regular expression; "
                    f"RE2 has no look-around and no backreferences: {fault}",
                    line=1,
                    column=1 + max(self.text.find("matches"), 0),
                )

    @override
    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, CelExpression)
            and other.text == self.text
            and other.over == self.over
        )

    @override
    def __hash__(self) -> int:
        return hash(self.text)

    @override
    def __repr__(self) -> str:
        return f"CelExpression({self.text!r})"

    def evaluate(self, activation: cel.Activation) -> Any:
        """Return the result as a Python value.

        Raises:
            ExpressionError: The evaluation fails on this event.
        """
        try:
            result = self._compiled.eval(activation)
            value = result.plain_value()
        except Exception as error:
            raise ExpressionError(f"{self.text!r} failed: {_first_line(error)}") from error
        if result.type() == cel.Type.ERROR:
            raise ExpressionError(f"{self.text!r} failed: {_plain(value)}")
        return value


def compile_expression(
    text: str, gives: Gives = "value", over: Over = "event"
) -> CelExpression:
    """Compile and type-check an expression over an event or a message.

    Raises:
        ExpressionError: It is not valid CEL, uses an unknown name, mixes types, has the wrong
            result type, or has a constant part that fails. Names line and column where known.
    """
    if len(text) > _MAX_LENGTH:
        raise ExpressionError(
            f"the expression is {len(text)} characters long; the maximum is {_MAX_LENGTH}"
        )
    try:
        expression = CelExpression(text, environment(over).compile(text), over)
    except RuntimeError as error:
        fault = _FAULT.search(str(error))
        if fault is None:
            raise ExpressionError(f"{_first_line(error)} in {text!r}") from None
        line, column, what = fault.groups()
        raise ExpressionError(
            f"{what} in {text!r}",
            line=max(int(line), 1),
            column=max(int(column), 1),
        ) from None
    if not re.fullmatch(_RIGHT_TYPES[gives], expression.result_type):
        raise ExpressionError(
            f"{text!r} gives {expression.result_type.lower()}, where a {gives} is needed",
            line=1,
            column=1,
        )
    expression.check_constants()
    return expression


def _fault_of(compiled: cel.Expression, data: Mapping[str, Any]) -> str | None:
    """Return why an expression fails on data; None if it does not fail."""
    try:
        result = compiled.eval(environment().Activation(data))
        return _plain(result.plain_value()) if result.type() == cel.Type.ERROR else None
    except Exception as error:  # noqa: BLE001 - the binding raises several kinds
        return _first_line(error)


def _plain(message: Any) -> str:
    text = str(message)
    while (shorter := _STATUS.sub("", text)) != text:
        text = shorter
    return _PLAIN.get(text, text)[:_MAX_REASON]


def _first_line(error: Exception) -> str:
    return _plain(str(error).splitlines()[0]) if str(error) else type(error).__name__
