"""The inputs of a pipeline from the command line."""

import json
from collections.abc import Sequence
from typing import Any

from workflows.errors import CommandError

_USAGE = 2


def merged(data: Any, inputs: Sequence[str]) -> Any:
    """Return data with inputs merged into it.

    Args:
        data: An object, or JSON text.
        inputs: ``name=value`` or ``outer.inner=value``; a value that is not JSON is text.

    Raises:
        CommandError: The data or an input is invalid.
    """
    result = _parsed(data) if isinstance(data, str) else json.loads(json.dumps(data))
    if not inputs:
        return result
    if not isinstance(result, dict):
        raise CommandError(
            "inputs need an object to merge into, but --data is not an object", _USAGE
        )
    for text in inputs:
        path, equals, value = text.partition("=")
        if not equals or not all(path.split(".")):
            raise CommandError(f"an input must be name=value, not {text!r}", _USAGE)
        _put(result, path.split("."), _value(value))
    return result


def _put(into: dict[str, Any], path: Sequence[str], value: Any) -> None:
    *outer, last = path
    for name in outer:
        inner = into.setdefault(name, {})
        if not isinstance(inner, dict):
            raise CommandError(f"cannot set {'.'.join(path)}: {name} is not an object", _USAGE)
        into = inner
    into[last] = value


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise CommandError(f"--data is not JSON: {error}", _USAGE) from error


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text
