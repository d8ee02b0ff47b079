"""Where an expression makes text of a number, the number must be finite.

``string(1.0 / 0.0)`` would give ``inf``, which then stands in an id or key as if it were a
value. The engine's own functions cannot be replaced, so the checked expression is rewritten:
what ``string`` and ``format`` are given goes through the function ``finite``, which raises.

The message is ``cel.expr.CheckedExpr`` (cel-spec, ``checked.proto`` and ``syntax.proto``); all
that is not rewritten is copied as it is.
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
    """Return a serialized expression in which no text is made of a number that is not finite.

    None when it makes no text of a number at all.
    """
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
    """Yield of each node its number and whether it may give a double."""
    for number, entry in fields(checked):
        if number == _TYPE_MAP:
            parts = dict(fields(entry))
            kind = dict(fields(parts.get(2, b"")))
            yield parts.get(1, 0), _DYN in kind or kind.get(_PRIMITIVE) == _DOUBLE
    yield 0, False


class _Rewriter:
    def __init__(self, doubles: set[int], free: int) -> None:
        self._doubles = doubles
        """The numbers of the nodes that may give a double."""
        self._free = free
        """A number that no node has."""
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
            # One by one: a timestamp among them would not survive the way through Python.
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
