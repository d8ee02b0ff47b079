"""Reads the syntax tree of a compiled CEL expression and answers questions about it. Pure.

CEL's Python binding does not expose the tree. But it serializes an expression as the
protocol-buffer message ``cel.expr.CheckedExpr`` (cel-spec, ``proto/cel/expr/checked.proto`` and
``syntax.proto``). This module reads the few needed fields directly from the wire format.

Two users: the budget of `bridge.cel` (how deep are loops nested, does a loop read more than its
element) and the lint of routes (what does an id depend on, can two conditions both be true).
"""

from collections.abc import Iterator, Mapping
from typing import Any, Literal

import msgspec

Kind = Literal["const", "ident", "select", "has", "call", "list", "map", "loop"]

_ANY_VALUE, _CHECKED_EXPR = 2, 4
_VARINT, _DELIMITED = 0, 2
_FIXED_BYTES = {1: 8, 5: 4}
_CALL = 6
SUBEXPRESSIONS: Mapping[int, frozenset[int]] = {
    5: frozenset({1}),  # select_expr: operand
    _CALL: frozenset({1, 3}),  # call_expr: target and arguments
    7: frozenset({1}),  # list_expr: elements
    9: frozenset({2, 4, 5, 6, 7}),  # comprehension_expr: all its expressions
}
"""For each kind of ``cel.expr.Expr``: the fields that contain expressions."""


class Node(msgspec.Struct, frozen=True):
    """One node of the tree.

    ``name`` is the name of the variable, field, function or loop variable. ``value`` is the value
    of a constant of type bool, int or string, otherwise None.
    """

    kind: Kind
    name: str = ""
    value: bool | int | str | None = None
    children: tuple["Node", ...] = ()
    """Operand; target and arguments; elements; or, of a loop, its range, initial value,
    condition, step and result."""
    accumulator: str = ""
    """For a loop: the variable that accumulates its result."""


def read(serialized: bytes) -> Node:
    """Read the tree of a serialized expression."""
    message = dict(fields(serialized))[_ANY_VALUE]
    return _node(dict(fields(message))[_CHECKED_EXPR])


def walk(node: Node) -> Iterator[Node]:
    """Yield a node and all below it."""
    yield node
    for child in node.children:
        yield from walk(child)


def paths(node: Node) -> frozenset[str]:
    """Return the paths that a node reads, such as ``event.uid``, ``data`` or ``data.order.id``."""
    return frozenset(_paths(node, frozenset()))


def unguarded(node: Node) -> frozenset[str]:
    """Return the fields of the data that a node reads without a ``has`` check."""
    asked = {_path(each) for each in walk(node) if each.kind == "has"}
    return frozenset(
        path
        for path in _paths(node, frozenset())
        if path.startswith("data.") and path not in asked
    )


def literal_prefix(node: Node) -> str:
    """Return the constant prefix of the string that a node gives."""
    match node:
        case Node(kind="const", value=str(text)):
            return text
        case Node(kind="call", name="_+_", children=(left, right)):
            before = literal_prefix(left)
            return before + literal_prefix(right) if is_literal(left) else before
        case _:
            return ""


def literal_text(node: Node) -> str | None:
    """Return a node's constant text; None if it is not text or depends on the event."""
    return literal_prefix(node) if is_literal(node) else None


def constant_patterns(node: Node) -> Iterator[str]:
    """Yield the patterns of ``matches`` that are the same for every event."""
    for each in walk(node):
        if each.kind == "call" and each.name == "matches":
            pattern = literal_text(each.children[-1])
            if pattern is not None:
                yield pattern


def constant_calls(serialized: bytes) -> Iterator[bytes]:
    """Yield the largest calls that do not depend on the event, each as a whole expression."""
    message = dict(fields(serialized))[_ANY_VALUE]
    for part in _constant_calls(dict(fields(message))[_CHECKED_EXPR]):
        checked = b"".join(
            encoded(number, part if number == _CHECKED_EXPR else value)
            for number, value in fields(message)
        )
        yield b"".join(
            encoded(number, checked if number == _ANY_VALUE else value)
            for number, value in fields(serialized)
        )


def _constant_calls(message: bytes) -> Iterator[bytes]:
    parts = dict(fields(message))
    if _CALL in parts and _is_constant(_node(message)):
        yield message
        return
    for kind, value in parts.items():
        for at, part in fields(value) if kind in SUBEXPRESSIONS else ():
            if at in SUBEXPRESSIONS[kind] and isinstance(part, bytes):
                yield from _constant_calls(part)


def _is_constant(node: Node) -> bool:
    return all(each.kind not in ("ident", "loop") for each in walk(node))


def is_literal(node: Node) -> bool:
    """Return whether a node is a constant text."""
    return (node.kind == "const" and isinstance(node.value, str)) or (
        node.kind == "call" and node.name == "_+_" and all(map(is_literal, node.children))
    )


def equalities(node: Node) -> Mapping[str, bool | int | str]:
    """Return which paths must equal which constants for a condition to be true."""
    match node:
        case Node(kind="call", name="_&&_", children=(left, right)):
            return {**equalities(left), **equalities(right)}
        case (
            Node(kind="call", name="_==_", children=(one, Node(kind="const", value=value)))
            | Node(kind="call", name="_==_", children=(Node(kind="const", value=value), one))
        ):
            path = _path(one)
            return {} if path is None or value is None else {path: value}
        case _:
            return {}


def whole_division(node: Node) -> str | None:
    """Return a field of the data that is divided by an integer or another field, or None."""
    for each in walk(node):
        if each.kind == "call" and each.name == "_/_":
            dividend, divisor = each.children
            path = _path(dividend)
            whole = _path(divisor) is not None or isinstance(divisor.value, int)
            if path is not None and path.partition(".")[0] == "data" and whole:
                return path
    return None


class Loops(msgspec.Struct, frozen=True):
    """Properties of an expression's loops: its macros ``all``, ``exists``, ``map``, ``filter`` …."""

    depth: int = 0
    """How deep loops are nested; 0 without loops."""
    builds: bool = False
    """Whether a loop builds a list, which CEL copies for each element that it adds."""
    looks_outside: bool = False
    """Whether a loop reads more than its current element in an iteration."""


def loops(node: Node) -> Loops:
    """Return the properties of the loops in a node."""
    below = [loops(child) for child in node.children]
    builds = any(each.builds for each in below)
    outside = any(each.looks_outside for each in below)
    if node.kind != "loop":
        return Loops(max((each.depth for each in below), default=0), builds, outside)
    scanned, initial, condition, step, result = node.children
    inside = max(loops(part).depth for part in (condition, step))
    around = max(loops(part).depth for part in (scanned, initial, result))
    own = frozenset({node.name, node.accumulator})
    return Loops(
        max(1 + inside, around),
        builds or initial.kind == "list",
        outside or any(set(_paths(part, own)) for part in (condition, step)),
    )


def _paths(node: Node, local: frozenset[str]) -> Iterator[str]:
    path = _path(node)
    if path is not None:
        if path.partition(".")[0] not in local:
            yield path
        return
    if node.kind == "loop":
        scanned, *rest = node.children
        yield from _paths(scanned, local)
        for part in rest:
            yield from _paths(part, local | {node.name, node.accumulator})
        return
    for child in node.children:
        yield from _paths(child, local)


def _path(node: Node) -> str | None:
    """Return the dotted path of a variable or field; None for other nodes."""
    if node.kind == "ident":
        return node.name
    if node.kind in ("select", "has"):
        before = _path(node.children[0])
        return None if before is None else f"{before}.{node.name}"
    if node.kind == "call" and node.name == "_[_]":
        operand, index = node.children
        before = _path(operand)
        if before is not None and isinstance(index.value, str):
            return f"{before}.{index.value}"
    return None


def _node(message: bytes) -> Node:  # noqa: PLR0911 - one for each kind of expression
    # The numbers are those of the fields of cel.expr.Expr.
    for number, value in fields(message):
        match number:
            case 3:  # const_expr
                return _const(value)
            case 4:  # ident_expr
                return Node("ident", _text(dict(fields(value)), 1))
            case 5:  # select_expr
                parts = dict(fields(value))
                kind: Kind = "has" if parts.get(3) else "select"
                return Node(kind, _text(parts, 2), children=(_node(parts[1]),))
            case 6:  # call_expr
                name = _text(dict(fields(value)), 2)
                operands = [part for at, part in fields(value) if at in (1, 3)]
                return Node("call", name, children=tuple(map(_node, operands)))
            case 7:  # list_expr
                return Node(
                    "list", children=tuple(_node(v) for n, v in fields(value) if n == 1)
                )
            case 8:  # struct_expr
                return Node("map", children=tuple(_entries(value)))
            case 9:  # comprehension_expr
                parts = dict(fields(value))
                children = tuple(_node(parts[at]) for at in (2, 4, 5, 6, 7))
                return Node(
                    "loop", _text(parts, 1), children=children, accumulator=_text(parts, 3)
                )
            case _:  # id
                continue
    return Node("const")


def _entries(message: bytes) -> Iterator[Node]:
    for number, entry in fields(message):
        if number == 2:  # noqa: PLR2004 - entries
            yield from (_node(part) for at, part in fields(entry) if at in (3, 4))


def _const(message: bytes) -> Node:
    for number, value in fields(message):
        match number:
            case 2:  # bool_value
                return Node("const", value=bool(value))
            case 3:  # int64_value
                return Node("const", value=value - (1 << 64) if value >> 63 else value)
            case 4:  # uint64_value
                return Node("const", value=value)
            case 6:  # string_value
                return Node("const", value=value.decode())
            case _:  # other types are not needed
                continue
    return Node("const")


def _text(parts: Mapping[int, Any], number: int) -> str:
    value: bytes = parts.get(number, b"")
    return value.decode()


def fields(message: bytes) -> Iterator[tuple[int, Any]]:
    """Yield the fields of a message: numbers of varints as int, the rest as bytes."""
    at = 0
    while at < len(message):
        key, at = _varint(message, at)
        number, wire = key >> 3, key & 7
        if wire == _VARINT:
            value, at = _varint(message, at)
            yield number, value
            continue
        if wire == _DELIMITED:
            size, at = _varint(message, at)
        else:
            size = _FIXED_BYTES[wire]
        yield number, message[at : at + size]
        at += size


def encoded(number: int, value: int | bytes) -> bytes:
    """Return one field of a message."""
    if isinstance(value, int):
        return _encoded_varint(number << 3) + _encoded_varint(value)
    return _encoded_varint(number << 3 | _DELIMITED) + _encoded_varint(len(value)) + value


def _encoded_varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:  # noqa: PLR2004 - seven bits a byte
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _varint(message: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = message[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:  # noqa: PLR2004 - the continuation bit
            return value, at
        shift += 7
