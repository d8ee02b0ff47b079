"""The CEL environments: the names and functions that expressions may use.

Expressions of routes are over an event, those of a source's ``event`` block over a message.

It adds to standard CEL the engine's four extension libraries that need no protocol buffers
(strings, math, encoders, bindings), and arithmetic between integers and doubles.
"""

import math
import operator
from collections.abc import Callable
from functools import lru_cache
from typing import Any, Literal

from cel_expr_python import cel  # type: ignore[import-untyped]
from cel_expr_python.ext import (  # type: ignore[import-untyped]
    ext_bindings,
    ext_encoders,
    ext_math,
    ext_strings,
)

TEXTS = ("id", "source", "type", "subject", "time", "topic", "uid", "correlationid")
"""The event attributes of type string."""
FINITE = "finite"
"""The function that `bridge.cel.finite` wraps around numbers that become text."""
Over = Literal["event", "message"]
"""What an expression is about."""
_VARIABLES: dict[Over, dict[str, cel.Type]] = {
    "event": {
        **{f"event.{name}": cel.Type.STRING for name in TEXTS},
        "event.extensions": cel.Type.Map(cel.Type.STRING, cel.Type.DYN),
        "data": cel.Type.DYN,
    },
    "message": {
        "subject": cel.Type.STRING,
        "tokens": cel.Type.List(cel.Type.STRING),
        "headers": cel.Type.Map(cel.Type.STRING, cel.Type.STRING),
        "data": cel.Type.DYN,
        "time": cel.Type.STRING,
        "sequence": cel.Type.INT,
        "key": cel.Type.STRING,
        "operation": cel.Type.STRING,
    },
}


@lru_cache(maxsize=2)
def environment(over: Over = "event") -> cel.Env:
    """Return the environment that all expressions over events, or over messages, share."""
    return cel.NewEnv(
        variables=_VARIABLES[over],
        extensions=[
            ext_bindings.ExtBindings(),
            ext_encoders.ExtEncoders(),
            ext_math.ExtMath(),
            ext_strings.ExtStrings(),
            _ours(),
        ],
    )


def is_finite(value: Any) -> bool:
    """Return whether a value and all values in it are finite."""
    if isinstance(value, float):
        return math.isfinite(value)
    if isinstance(value, dict):
        return all(map(is_finite, value.values()))
    if isinstance(value, list | tuple):
        return all(map(is_finite, value))
    return True


def _ours() -> cel.CelExtension:
    double = cel.Type.DOUBLE
    operations: dict[str, Callable[[float, float], float]] = {
        "_+_": operator.add,
        "_-_": operator.sub,
        "_*_": operator.mul,
        "_/_": _divide,
    }
    mixed = {
        "int_double": [cel.Type.INT, double],
        "double_int": [double, cel.Type.INT],
        "uint_double": [cel.Type.UINT, double],
        "double_uint": [double, cel.Type.UINT],
    }
    functions = {
        name: [_overload(f"{name}{kind}", double, types, do) for kind, types in mixed.items()]
        for name, do in operations.items()
    }
    functions[FINITE] = [_overload(f"{FINITE}_dyn", cel.Type.DYN, [cel.Type.DYN], _finite)]
    return cel.CelExtension("ntbridge", [cel.FunctionDecl(*each) for each in functions.items()])


def _overload(
    name: str, gives: cel.Type, takes: list[cel.Type], do: Callable[..., Any]
) -> cel.Overload:
    return cel.Overload(name, return_type=gives, parameters=takes, is_member=False, impl=do)


def _divide(left: float, right: float) -> float:
    """Divide as IEEE 754 and CEL doubles do: division by zero raises no exception."""
    try:
        return left / right
    except ZeroDivisionError:
        if not left or math.isnan(left):
            return math.nan
        return math.copysign(math.inf, left) * math.copysign(1.0, right)


def _finite(value: Any) -> Any:
    if not is_finite(value):
        raise ValueError("a number that is not finite has no text")
    return value
