"""What a compiled CEL expression is made of: read from the checked syntax tree it serializes to.

CEL's Python binding evaluates and type-checks but shows no tree. It does serialize one, in the
protocol-buffer message ``cel.expr.CheckedExpr`` (cel-spec, ``proto/cel/expr/checked.proto`` and
``syntax.proto``); the few fields that matter here are read straight from the wire format.

Two readers live on it: the budget of `bridge.expressions` (how deep do loops nest, does a loop
look outside itself) and the lint of routes (what does an id depend on, can two conditions hold
at once).
"""

from collections.abc import Iterator, Mapping
from typing import Any, Literal

import msgspec

Kind = Literal["const", "ident", "select", "has", "call", "list", "map", "loop"]

_ANY_VALUE, _CHECKED_EXPR = 2, 4
_VARINT, _DELIMITED = 0, 2
_FIXED_BYTES = {1: 8, 5: 4}
_RESULT = "@result"


class Node(msgspec.Struct, frozen=True):
    """One node of the tree.

    ``name`` is that of the variable, field, function or loop variable; ``value`` a constant's,
    ``None`` for those of other types than bool, int and string.
    """

    kind: Kind
    name: str = ""
    value: bool | int | str | None = None
    children: tuple["Node", ...] = ()
    """Operand; target and arguments; elements; or, of a loop, its range, initial value,
    condition, step and result."""


def read(serialized: bytes) -> Node:
    """Read the tree of a serialized expression."""
    message = dict(_fields(serialized))[_ANY_VALUE]
    return _node(dict(_fields(message))[_CHECKED_EXPR])


def walk(node: Node) -> Iterator[Node]:
    """Yield a node and all below it."""
    yield node
    for child in node.children:
        yield from walk(child)


def paths(node: Node) -> frozenset[str]:
    """Return what of the event it reads, such as ``event.uid``, ``data`` or ``data.order.id``."""
    return frozenset(_paths(node, frozenset()))


def unguarded(node: Node) -> frozenset[str]:
    """Return the fields of the data it reads without asking with ``has`` whether they are there."""
    asked = {_path(each) for each in walk(node) if each.kind == "has"}
    return frozenset(
        path
        for path in _paths(node, frozenset())
        if path.startswith("data.") and path not in asked
    )


def literal_prefix(node: Node) -> str:
    """Return the text that the string it gives is certain to begin with."""
    match node:
        case Node(kind="const", value=str(text)):
            return text
        case Node(kind="call", name="_+_", children=(left, right)):
            before = literal_prefix(left)
            return before + literal_prefix(right) if is_literal(left) else before
        case _:
            return ""


def is_literal(node: Node) -> bool:
    """Tell whether it is a text that depends on nothing."""
    return (node.kind == "const" and isinstance(node.value, str)) or (
        node.kind == "call" and node.name == "_+_" and all(map(is_literal, node.children))
    )


def equalities(node: Node) -> Mapping[str, bool | int | str]:
    """Return what must be equal to which constants for a condition to hold."""
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


class Loops(msgspec.Struct, frozen=True):
    """What an expression's macros (``all``, ``exists``, ``map``, ``filter`` …) amount to."""

    depth: int = 0
    """How deep loops nest inside loops."""
    builds: bool = False
    """Whether one builds a list, which CEL copies for each element that it adds."""
    looks_outside: bool = False
    """Whether one reads in each round more than the element it is at."""


def loops(node: Node) -> Loops:
    """Return what its loops amount to."""
    below = [loops(child) for child in node.children]
    builds = any(each.builds for each in below)
    outside = any(each.looks_outside for each in below)
    if node.kind != "loop":
        return Loops(max((each.depth for each in below), default=0), builds, outside)
    scanned, initial, condition, step, result = node.children
    inside = max(loops(part).depth for part in (condition, step))
    around = max(loops(part).depth for part in (scanned, initial, result))
    own = frozenset({node.name, _RESULT})
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
            yield from _paths(part, local | {node.name, _RESULT})
        return
    for child in node.children:
        yield from _paths(child, local)


def _path(node: Node) -> str | None:
    """Return the dotted path of a variable or field, ``None`` for everything else."""
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
    for number, value in _fields(message):
        match number:
            case 3:  # const_expr
                return _const(value)
            case 4:  # ident_expr
                return Node("ident", _text(dict(_fields(value)), 1))
            case 5:  # select_expr
                parts = dict(_fields(value))
                kind: Kind = "has" if parts.get(3) else "select"
                return Node(kind, _text(parts, 2), children=(_node(parts[1]),))
            case 6:  # call_expr
                name = _text(dict(_fields(value)), 2)
                operands = [part for at, part in _fields(value) if at in (1, 3)]
                return Node("call", name, children=tuple(map(_node, operands)))
            case 7:  # list_expr
                return Node(
                    "list", children=tuple(_node(v) for n, v in _fields(value) if n == 1)
                )
            case 8:  # struct_expr
                return Node("map", children=tuple(_entries(value)))
            case 9:  # comprehension_expr
                parts = dict(_fields(value))
                children = tuple(_node(parts[at]) for at in (2, 4, 5, 6, 7))
                return Node("loop", _text(parts, 1), children=children)
            case _:  # id
                continue
    return Node("const")


def _entries(message: bytes) -> Iterator[Node]:
    for number, entry in _fields(message):
        if number == 2:  # noqa: PLR2004 - entries
            yield from (_node(part) for at, part in _fields(entry) if at in (3, 4))


def _const(message: bytes) -> Node:
    for number, value in _fields(message):
        match number:
            case 2:  # bool_value
                return Node("const", value=bool(value))
            case 3:  # int64_value
                return Node("const", value=value - (1 << 64) if value >> 63 else value)
            case 4:  # uint64_value
                return Node("const", value=value)
            case 6:  # string_value
                return Node("const", value=value.decode())
            case _:  # of a type that nobody here asks about
                continue
    return Node("const")


def _text(parts: Mapping[int, Any], number: int) -> str:
    value: bytes = parts.get(number, b"")
    return value.decode()


def _fields(message: bytes) -> Iterator[tuple[int, Any]]:
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


def _varint(message: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = message[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:  # noqa: PLR2004 - the continuation bit
            return value, at
        shift += 7
