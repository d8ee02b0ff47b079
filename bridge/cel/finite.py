"""Rewrites expressions so that converting a number to text fails unless the number is finite.

``string(1.0 / 0.0)`` would give ``inf``, which would then become part of an id or key. The engine's
functions cannot be replaced, so this module rewrites the checked expression: it wraps the arguments
of ``string`` and ``format`` in the function ``finite``, which raises.

The message is ``cel.expr.CheckedExpr`` (cel-spec, ``checked.proto`` and ``syntax.proto``). All
other parts are copied unchanged.
"""

from collections.abc import Iterator

from bridge.cel.environment import FINITE
from bridge.cel.syntax import SUBEXPRESSIONS, encoded, fields

_ANY_VALUE, _TYPE_MAP, _EXPR = 2, 3, 4
_ID, _CALL, _LIST, _STRUCT = 2, 6, 7, 8
_ENTRIES = 2
_ARGUMENT = 3
_PRIMITIVE, _DOUBLE, _DYN = 3, 4, 1


def with_finite_texts(serialized: bytes) -> bytes | None:
    """Return the rewritten serialized expression; None if it converts no number to text."""
    checked = dict(fields(serialized))[_ANY_VALUE]
    types = dict(_types(checked))
    rewriter = _Rewriter({number for number, kind in types.items() if kind}, max(types) + 1)
    new = b"".join(
        encoded(number, rewriter.expr(value) if number == _EXPR else value)
        for number, value in fields(checked)
    )
    if not rewriter.changed:
        return None
    return b"".join(
        encoded(number, new if number == _ANY_VALUE else value)
        for number, value in fields(serialized)
    )


def _types(checked: bytes) -> Iterator[tuple[int, bool]]:
    """Yield each node's id and whether its value may be a double."""
    for number, entry in fields(checked):
        if number == _TYPE_MAP:
            parts = dict(fields(entry))
            kind = dict(fields(parts.get(2, b"")))
            yield parts.get(1, 0), _DYN in kind or kind.get(_PRIMITIVE) == _DOUBLE
    yield 0, False


class _Rewriter:
    def __init__(self, doubles: set[int], free: int) -> None:
        self._doubles = doubles
        """Ids of the nodes whose value may be a double."""
        self._free = free
        """An unused node id."""
        self.changed = False

    def expr(self, message: bytes) -> bytes:
        """Rewrite a message ``Expr``."""
        return b"".join(
            encoded(number, self._kind(number, value)) for number, value in fields(message)
        )

    def _kind(self, kind: int, value: int | bytes) -> int | bytes:
        if isinstance(value, int):
            return value
        if kind == _STRUCT:
            return b"".join(
                encoded(at, self._entry(part) if at == _ENTRIES else part)
                for at, part in fields(value)
            )
        if kind not in SUBEXPRESSIONS:
            return value
        name = dict(fields(value)).get(2) if kind == _CALL else None
        parts = []
        for at, part in fields(value):
            inner = part
            if at in SUBEXPRESSIONS[kind] and isinstance(part, bytes):
                inner = self.expr(part)
                if at == _ARGUMENT and name in (b"string", b"format"):
                    inner = self._guarded(inner)
            parts.append(encoded(at, inner))
        return b"".join(parts)

    def _entry(self, message: bytes) -> bytes:
        return b"".join(
            encoded(at, self.expr(part) if at in (3, 4) else part)
            for at, part in fields(message)
        )

    def _guarded(self, argument: bytes) -> bytes:
        parts = dict(fields(argument))
        if _LIST in parts:
            # Wrap single elements: a timestamp in the list would not survive the call into Python.
            elements = b"".join(
                encoded(at, self._guarded(part) if at == 1 else part)
                for at, part in fields(parts[_LIST])
            )
            return encoded(_ID, parts.get(_ID, 0)) + encoded(_LIST, elements)
        if parts.get(_ID) not in self._doubles:
            return argument
        self.changed = True
        self._free += 1
        call = encoded(2, FINITE.encode()) + encoded(_ARGUMENT, argument)
        return encoded(_ID, self._free) + encoded(_CALL, call)
