"""Evaluates the ``event`` block of a source over one message. Pure."""

from collections.abc import Iterator, Mapping
from typing import Any

from bridge.cel import CelExpression, MessageScope, compile_expression
from bridge.errors import DecodeError, ExpressionError
from bridge.settings.source_settings import EventFields
from eventstore.events import ExtensionValue

_TEXTS = ("id", "type", "source", "subject", "time")
_REQUIRED = frozenset({"id", "type", "source"})


class Mapped:
    """The compiled expressions of a source.

    Raises:
        ExpressionError: One does not compile.
    """

    def __init__(self, fields: EventFields) -> None:
        self.texts = {
            name: compile_expression(text, over="message")
            for name in _TEXTS
            if (text := getattr(fields, name)) is not None
        }
        self.extensions = {
            name: compile_expression(text, over="message")
            for name, text in fields.extensions.items()
        }

    def seconds(self, size: int, elements: int) -> float:
        """Return an upper bound of the expressions' time in seconds; see `bridge.cel.cost`."""
        expressions = (*self.texts.values(), *self.extensions.values())
        return sum(each.cost.seconds(size, elements) for each in expressions)

    def attributes(self, scope: MessageScope) -> dict[str, str]:
        """Return the attributes that the expressions give; optional empty ones are left out.

        Raises:
            DecodeError: An expression fails, or a result is not text.
        """
        found: dict[str, str] = {}
        for name, expression in self.texts.items():
            value = _evaluated(f"event.{name}", expression, scope)
            if value in (None, "") and name not in _REQUIRED:
                continue
            # An id is often a number; a float or a boolean is a mistake.
            if isinstance(value, int) and not isinstance(value, bool):
                value = str(value)
            if not isinstance(value, str):
                raise DecodeError(
                    "expression",
                    f"event.{name}: {expression.text!r} gives {_kind(value)}, where text is needed",
                )
            found[name] = value
        return found

    def extension_attributes(self, scope: MessageScope) -> dict[str, ExtensionValue]:
        """Return the extension attributes that the expressions give; empty ones are left out.

        Raises:
            DecodeError: An expression fails, or a result is not text, an integer or a boolean.
        """
        found: dict[str, ExtensionValue] = {}
        for name, expression in self.extensions.items():
            value = _evaluated(f"event.extensions.{name}", expression, scope)
            if value is None or value == "":
                continue
            if not isinstance(value, str | int):
                raise DecodeError(
                    "expression",
                    f"event.extensions.{name}: {expression.text!r} gives {_kind(value)}; an "
                    "extension attribute is text, an integer or a boolean",
                )
            found[name] = value
        return found


def mistakes(fields: EventFields) -> Iterator[tuple[tuple[str, ...], ExpressionError]]:
    """Yield each expression that does not compile, with its location in the block."""
    texts: Mapping[tuple[str, ...], str | None] = {
        **{(name,): getattr(fields, name) for name in _TEXTS},
        **{("extensions", name): text for name, text in fields.extensions.items()},
    }
    for location, text in texts.items():
        if text is None:
            continue
        optional = location[0] not in _REQUIRED
        try:
            expression = compile_expression(text, over="message")
            _check_result(expression, optional=optional, extension=len(location) > 1)
        except ExpressionError as error:
            yield location, error


def name_mistake(text: str) -> ExpressionError | None:
    """Return what is wrong with the expression for the name of a message type; None if nothing is."""
    try:
        expression = compile_expression(text, "string", over="message")
    except ExpressionError as error:
        return error
    if expression.reads_data:
        return ExpressionError(
            "the data cannot be read before the message type is known", line=1, column=1
        )
    return None


def _check_result(expression: CelExpression, *, optional: bool, extension: bool) -> None:
    fitting = {"DYN", "STRING", "INT"} | ({"NULL"} if optional else set())
    if extension:
        fitting |= {"BOOL"}
    if expression.result_type not in fitting:
        raise ExpressionError(
            f"{expression.text!r} gives {expression.result_type.lower()}, where text is needed",
            line=1,
            column=1,
        )


def _evaluated(place: str, expression: CelExpression, scope: MessageScope) -> Any:
    try:
        return scope.value(expression)
    except ExpressionError as error:
        raise DecodeError("expression", f"{place}: {error}") from None


def _kind(value: Any) -> str:
    return "null" if value is None else type(value).__name__
