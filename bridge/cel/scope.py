"""Evaluates expressions on one event or message."""

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from typing import Any

import msgspec
from cel_expr_python import cel  # type: ignore[import-untyped]
from typing_extensions import override

from bridge.cel.compiled import CelExpression
from bridge.cel.cost import MAX_ROUNDS
from bridge.cel.environment import Over, environment, is_finite
from bridge.errors import DecodeError, ExpressionError
from eventstore.events import Event

_NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")
_ESCAPED_NUL = rb"\u0000"
_NUL_REASON = "it contains a NUL character"
"""The binding truncates strings and bytes at a NUL, so values could be confused."""
_MAX_BYTES_READ = 10**9
_MAX_BYTES_BUILT = 128 * 2**20
_BYTES_PER_ELEMENT = 24


class Scope(ABC):
    """Evaluates expressions over one set of values. The data is decoded once, when first used.

    Args:
        over: The names that the expressions use.
        size: Bytes of the data.
    """

    def __init__(self, over: Over, size: int) -> None:
        self._over: Over = over
        self._size = size

    @abstractmethod
    def _read(self) -> tuple[Any, str | None]:
        """Return the data, and the reason if it cannot be read."""

    @abstractmethod
    def _values(self) -> Mapping[str, Any]:
        """Return the values of all names but ``data``."""

    def value(self, expression: CelExpression) -> Any:
        """Evaluate to a Python value.

        Raises:
            ExpressionError: It fails.
        """
        return self._evaluate(expression)

    def text(self, expression: CelExpression) -> str:
        """Evaluate to a string.

        Raises:
            ExpressionError: It fails, or the result is not a string.
        """
        value = self._evaluate(expression)
        if not isinstance(value, str):
            raise ExpressionError(
                f"{expression.text!r} gives {type(value).__name__}, where a string is needed",
            )
        return value

    def truth(self, expression: CelExpression) -> bool:
        """Evaluate to a bool.

        Raises:
            ExpressionError: It fails, or the result is not a bool.
        """
        value = self._evaluate(expression)
        if not isinstance(value, bool):
            raise ExpressionError(
                f"{expression.text!r} gives {type(value).__name__}, where a bool is needed",
            )
        return value

    def holds(self, condition: CelExpression) -> bool:
        """Return whether a condition is true; False if it fails on this event."""
        try:
            return self.truth(condition)
        except ExpressionError:
            return False

    def json(self, expression: CelExpression) -> msgspec.Raw:
        """Evaluate to encoded JSON: it may be large and is not decoded again.

        Raises:
            ExpressionError: It fails, or the result is not a JSON value.
        """
        value = self._evaluate(expression)
        try:
            encoded = msgspec.json.encode(value)
        except (TypeError, ValueError, RecursionError, msgspec.MsgspecError) as error:
            raise ExpressionError(f"{expression.text!r} gives no JSON: {error}") from error
        # msgspec encodes a number that is not finite as null. Searching the whole value is slow.
        if b"null" in encoded and not is_finite(value):
            raise ExpressionError(
                f"{expression.text!r} gives a number that is not finite (a division by zero or an "
                "overflow), which JSON cannot represent"
            )
        return msgspec.Raw(encoded)

    def _evaluate(self, expression: CelExpression) -> Any:
        unreadable = self._data[1]
        if unreadable is not None and expression.reads_data:
            raise ExpressionError(
                f"{expression.text!r} failed: the {self._over}'s data cannot be read: {unreadable}"
            )
        if expression.loops.depth:
            self._afford(expression)
        return expression.evaluate(self._activation)

    def _afford(self, expression: CelExpression) -> None:
        """Refuse an expression whose loops may cost too much; see the package's docstring."""
        loops, size = expression.loops, self._size
        elements = self._largest
        rounds = min(MAX_ROUNDS, elements**loops.depth)
        read = rounds * size if loops.looks_outside else size
        built = rounds * elements * _BYTES_PER_ELEMENT // 2
        if loops.looks_outside:
            built += read
        if read > _MAX_BYTES_READ or (loops.builds and built > _MAX_BYTES_BUILT):
            raise ExpressionError(
                f"{expression.text!r} is not evaluated: its loops over {size} bytes of data "
                f"with up to {elements} elements in a list or map might cost too much",
            )

    @cached_property
    def _activation(self) -> cel.Activation:
        values = {**self._values(), "data": self._data[0]}
        return environment(self._over).Activation(values)

    @cached_property
    def _data(self) -> tuple[Any, str | None]:
        return self._read()

    @cached_property
    def _largest(self) -> int:
        """The number of elements of the largest list or map (at least 1)."""
        return max(1, *map(len, _containers([self._data[0], *self._values().values()])))


class EventScope(Scope):
    """Evaluates expressions over one event.

    Args:
        event: The event.
        topic: The topic on which it came.
        json_reader: Returns its data as JSON, if it has another form; may raise `DecodeError`.
    """

    def __init__(
        self, event: Event, topic: str, json_reader: Callable[[], bytes] | None = None
    ) -> None:
        super().__init__("event", len(event.data or b""))
        self._event = event
        self._topic = topic
        self._json_reader = json_reader

    @override
    def _read(self) -> tuple[Any, str | None]:
        event = self._event
        if self._json_reader is not None:
            try:
                found = self._json_reader()
            except DecodeError as error:
                return None, str(error)
            self._size = len(found)
            return json_value(found)
        if event.data is None:
            return {}, None
        return json_value(event.data) if event.has_json_data else bytes_value(event.data)

    @override
    def _values(self) -> Mapping[str, Any]:
        event = self._event
        return {
            "event.id": event.id,
            "event.source": event.source,
            "event.type": event.type,
            "event.subject": event.subject or "",
            "event.time": event.time or "",
            "event.topic": self._topic,
            "event.uid": str(event.uid),
            "event.correlationid": str(event.extensions.get("correlationid", event.id)),
            "event.extensions": dict(event.extensions),
        }


class MessageScope(Scope):
    """Evaluates expressions over one message of a stream.

    Args:
        values: The values of all names but ``data``.
        read: Returns the data, and the reason if it cannot be read.
        size: Bytes of the data.
    """

    def __init__(
        self, values: Mapping[str, Any], read: Callable[[], tuple[Any, str | None]], size: int
    ) -> None:
        super().__init__("message", size)
        self._given = values
        self._reader = read

    @override
    def _read(self) -> tuple[Any, str | None]:
        return self._reader()

    @override
    def _values(self) -> Mapping[str, Any]:
        return self._given


def json_value(data: bytes) -> tuple[Any, str | None]:
    """Return the value of JSON for expressions, and the reason if it cannot be read."""
    if holds_nul(data):
        return None, _NUL_REASON
    try:
        return msgspec.json.decode(data), None
    except (ValueError, RecursionError, msgspec.MsgspecError) as error:
        return None, str(error)


def bytes_value(data: bytes) -> tuple[Any, str | None]:
    """Return bytes for expressions, and the reason if they cannot be read."""
    return (None, _NUL_REASON) if b"\0" in data else (data, None)


def _containers(data: Any) -> Iterator[list[Any] | dict[str, Any]]:
    """Yield every list and map in JSON data."""
    below = [data]
    while below:
        container = below.pop()
        if isinstance(container, dict):
            below.extend(container.values())
        elif isinstance(container, list):
            below.extend(container)
        else:
            continue
        yield container


def holds_nul(json: bytes) -> bool:
    """Return whether a string or key in a JSON document contains U+0000."""
    # The regular expression takes 40 ns a byte, the search before it less than 1.
    return _ESCAPED_NUL in json and _NUL.search(json) is not None
