"""CEL over one event: compiled and type-checked when a routes file is loaded, evaluated at intake.

An expression sees ``event.id``, ``.source``, ``.type``, ``.subject``, ``.time``, ``.topic``,
``.uid``, ``.correlationid`` (strings, empty when unset), ``event.extensions`` (a map) and
``data``: the event's JSON data, an empty map when it has none, bytes when they are no JSON.
Data with a NUL character in them cannot be read: what asks for them fails.
Names are declared one by one, so that a misspelt one is an error when the file is loaded and
not on the day it matters. What is inside ``data`` is known only then: ``data.x`` fails on an
event without it, ``has(data.x) && data.x > 1`` does not.

**The budget.** Events come from anybody, so no event may make an expression run long:

* CEL itself stops an evaluation after 10,000 rounds of all its loops together;
* what it does not count is what a round costs. `_afford` bounds that before evaluating, from
  the shape of the expression (`bridge.syntax`) and the size of the data: a loop that builds a
  list copies it in each round, and one that looks outside its own element may read all of the
  data in each round;
* the text and the nesting of an expression are bounded when it is compiled.

Source: Common Expression Language (cel-spec), by Google's own C++ implementation.
"""

import re
from collections.abc import Iterator, Mapping
from functools import cached_property, lru_cache
from typing import Any, Literal

import msgspec
from cel_expr_python import cel  # type: ignore[import-untyped]
from typing_extensions import override

from bridge import syntax
from bridge.errors import ExpressionError
from eventstore.events import Event

Gives = Literal["string", "bool", "value"]
"""What an expression must give; a ``value`` is anything that JSON can say."""

_TEXTS = ("id", "source", "type", "subject", "time", "topic", "uid", "correlationid")
_VARIABLES = {
    **{f"event.{name}": cel.Type.STRING for name in _TEXTS},
    "event.extensions": cel.Type.Map(cel.Type.STRING, cel.Type.DYN),
    "data": cel.Type.DYN,
}
_MAX_LENGTH = 4_000
_FAULT = re.compile(r"<input>:(\d+):(\d+): (.*?)(?: \(in container '')?\)?$", re.MULTILINE)
_STATUS = re.compile(r"^[A-Z_]+: | \[[A-Z_]+\]$")
_RIGHT_TYPES: Mapping[Gives, str] = {
    "string": "STRING|DYN",
    "bool": "BOOL|DYN",
    "value": "(?!TYPE).*",
}

_NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")
_MAX_ROUNDS = 10_000
"""After which CEL stops: its own default, which Python cannot set; a test holds it to it."""
_MAX_BYTES_READ = 10**9
_MAX_BYTES_BUILT = 128 * 2**20
_BYTES_PER_ELEMENT = 24


class CelExpression:
    """A compiled expression; equal to another one of the same text."""

    def __init__(self, text: str, compiled: cel.Expression) -> None:
        self.text = text
        self._compiled = compiled
        self.result_type: str = compiled.return_type().name()
        """CEL's name of the type it gives, ``DYN`` where that depends on the data."""
        self.loops = syntax.loops(self.tree)

    @cached_property
    def tree(self) -> syntax.Node:
        """What it is made of."""
        return syntax.read(self._compiled.serialize())

    @cached_property
    def reads_data(self) -> bool:
        """Whether its value depends on the event's data."""
        return any(path.partition(".")[0] == "data" for path in syntax.paths(self.tree))

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
            raise ExpressionError(f"{self.text!r} failed: {_plain(value)}")
        return value


@lru_cache(maxsize=1)
def _environment() -> cel.Env:
    return cel.NewEnv(variables=_VARIABLES)


def compile_expression(text: str, gives: Gives = "value") -> CelExpression:
    """Compile and type-check an expression.

    Raises:
        ExpressionError: It is no CEL, names something that does not exist, mixes types or
            gives the wrong one; says at which line and column of the expression.
    """
    if len(text) > _MAX_LENGTH:
        raise ExpressionError(
            f"the expression is {len(text)} characters long: {_MAX_LENGTH} fit"
        )
    try:
        expression = CelExpression(text, _environment().compile(text))
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
    return expression


class EventScope:
    """One event, over which expressions are evaluated. The data is decoded once, when needed."""

    def __init__(self, event: Event, topic: str) -> None:
        self._event = event
        self._topic = topic

    def text(self, expression: CelExpression) -> str:
        """Evaluate to a string.

        Raises:
            ExpressionError: It fails, or gives something else.
        """
        value = self._evaluate(expression)
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
        value = self._evaluate(expression)
        if not isinstance(value, bool):
            raise ExpressionError(
                f"{expression.text!r} gives {type(value).__name__}, where a bool is needed",
            )
        return value

    def holds(self, condition: CelExpression) -> bool:
        """Tell whether a condition holds; where it fails on this event, it does not."""
        try:
            return self.truth(condition)
        except ExpressionError:
            return False

    def value(self, expression: CelExpression) -> Any:
        """Evaluate to a JSON value.

        Raises:
            ExpressionError: It fails, or gives what JSON cannot say.
        """
        value = self._evaluate(expression)
        try:
            msgspec.json.encode(value)
        except (TypeError, ValueError, RecursionError, msgspec.MsgspecError) as error:
            raise ExpressionError(f"{expression.text!r} gives no JSON: {error}") from error
        return value

    def _evaluate(self, expression: CelExpression) -> Any:
        unreadable = self._data[1]
        if unreadable is not None and expression.reads_data:
            raise ExpressionError(
                f"{expression.text!r} failed: the event's data cannot be read: {unreadable}"
            )
        if expression.loops.depth:
            self._afford(expression)
        return expression.evaluate(self._activation)

    def _afford(self, expression: CelExpression) -> None:
        """Refuse what might cost too much on this event; see the module's docstring."""
        loops, size = expression.loops, len(self._event.data or b"")
        elements = self._largest
        rounds = min(_MAX_ROUNDS, elements**loops.depth)
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
        return _environment().Activation(_bindings(self._event, self._topic, self._data[0]))

    @cached_property
    def _data(self) -> tuple[Any, str | None]:
        """The data, and why they cannot be read, if they cannot."""
        event = self._event
        if event.data is None:
            return {}, None
        if holds_nul(event.data) if event.has_json_data else b"\0" in event.data:
            # The binding cuts texts and bytes short there, and would take them for others.
            return None, "they hold a NUL character"
        if not event.has_json_data:
            return event.data, None
        try:
            return msgspec.json.decode(event.data), None
        except (ValueError, RecursionError, msgspec.MsgspecError) as error:
            return None, str(error)

    @cached_property
    def _largest(self) -> int:
        """The number of elements of the largest list or map (at least 1)."""
        return max(1, *map(len, _containers([self._data[0], dict(self._event.extensions)])))


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
    """Tell whether a text or key in a JSON document holds U+0000."""
    return _NUL.search(json) is not None


def _bindings(event: Event, topic: str, data: Any) -> Mapping[str, Any]:
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
        "data": data,
    }


def _plain(message: Any) -> str:
    text = str(message)
    while (shorter := _STATUS.sub("", text)) != text:
        text = shorter
    if text == "Applying SELECT to non-message type":
        return "it asks for a field of something that has none"
    return text


def _first_line(error: Exception) -> str:
    return _plain(str(error).splitlines()[0]) if str(error) else type(error).__name__
