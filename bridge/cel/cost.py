"""Estimates the worst-case time of an expression from its tree and the size of the data.

The engine holds the interpreter's lock while it evaluates, so no timeout can interrupt it. An
expression that may take long must not run on the event loop. `Cost.seconds` gives a rough upper
bound from measured costs. An estimate that is too high costs a few milliseconds for the child
process; one that is too low blocks the event loop.
"""

import re
from collections.abc import Mapping

import msgspec

from bridge.cel.syntax import Loops, Node, literal_text, loops, walk
from eventstore.events import Event

MAX_ROUNDS = 10_000
"""Iterations after which CEL stops: its default, which Python cannot set; a test checks it."""

# Measured with cel-expr-python 0.1.3 on one core of a small virtual machine, in seconds.
_PER_BYTE = 15e-9
"""For an operation that reads a list, map or text once; comparing dense objects is slowest."""
_PER_PAIR = 0.05e-9
"""For a search of one text in another, for each pair of their characters (0.03 measured)."""
_PER_PRODUCT = 3e-9
"""For a text that `replace` or `join` builds, for each pair of characters (2 measured)."""
_PER_STEP = 4e-9
"""For `matches`, for each byte of the text and each instruction of the pattern (3.4 measured)."""
_PER_ROUND = 3e-6
"""For one iteration of a loop; one that calls a Python function is slowest."""
_PER_ELEMENT_BUILT = 12e-9
"""For copying a list in each iteration of a loop that builds one."""

_RESULT_READS = 4
"""Converting a list or map to Python takes as long as this many reads."""
_SPLIT_READS = 15
_MAX_GROWTH = 64
"""Beyond this ratio of result to data size the estimate is infinite."""
_SEARCHES = frozenset({"contains", "indexOf", "lastIndexOf", "split"})
_BUILDERS = frozenset({"replace", "join"})
_COUNTED = re.compile(r"\{(\d*),?(\d*)\}")


class Cost(msgspec.Struct, frozen=True):
    """The worst-case cost of an evaluation; see `Cost.seconds`."""

    reads: int
    """Number of operations that may each read all of the data once."""
    pairs: int = 0
    """Number of searches for one text of the event in another."""
    products: int = 0
    """Number of texts built from pieces and separators that both come from the event."""
    instructions: int = 0
    """Number of regular expression instructions in all constant patterns."""
    growth: float = 1
    """Upper bound of the largest value's size, relative to the data's size."""
    elements: int = 0
    """Number of elements of the longest list literal in the expression."""
    loops: Loops = Loops()

    @property
    def is_cheap(self) -> bool:
        """Whether the cost is only that of reading the data a few times."""
        return (
            self.growth == 1
            and not (self.pairs or self.products or self.instructions)
            and not self.loops.depth
        )

    def seconds(self, size: int, elements: int) -> float:
        """Return an upper bound of the time in seconds; infinity if there is none.

        Args:
            size: The event's size in bytes.
            elements: Upper bound for the elements of the largest list or map.
        """
        if self.growth > _MAX_GROWTH:
            return float("inf")
        length = size * self.growth
        total = length * (self.reads * _PER_BYTE + self.instructions * _PER_STEP)
        total += length * length / 4 * (self.pairs * _PER_PAIR + self.products * _PER_PRODUCT)
        depth = self.loops.depth
        if not depth:
            return total
        rounds = min(MAX_ROUNDS, int(max(1, elements, self.elements) ** depth))
        if self.pairs or self.products or self.loops.looks_outside:
            total *= rounds
        if self.loops.builds:
            total += rounds * elements * _PER_ELEMENT_BUILT
        return total + rounds * _PER_ROUND


def size_of(event: Event) -> int:
    """Return approximately how many bytes of an event expressions may read."""
    texts = (event.id, event.source, event.type, event.subject or "", event.time or "")
    extensions = sum(
        len(value) for value in event.extensions.values() if isinstance(value, str)
    )
    return len(event.data or b"") + sum(map(len, texts)) + extensions


def elements_of(event: Event) -> int:
    """Return an upper bound for the elements of the largest list or map of an event."""
    return max((event.data or b"").count(b",") + 1, len(event.extensions))


def cost_of(node: Node, *, small: bool) -> Cost:
    """Return the cost of an expression; ``small`` if its result is not a list or map."""
    counter = _Counter()
    growth = counter.visit(node, {})
    return Cost(
        reads=counter.reads + (1 if small else _RESULT_READS),
        pairs=counter.pairs,
        products=counter.products,
        instructions=counter.instructions,
        growth=float("inf") if counter.unbounded or counter.products > 1 else max(1, growth),
        elements=max(
            (len(each.children) for each in walk(node) if each.kind in ("list", "map")),
            default=0,
        ),
        loops=loops(node),
    )


class _Counter:
    """Counts the operations of an expression and tracks the size of its values."""

    def __init__(self) -> None:
        self.reads = self.pairs = self.products = self.instructions = 0
        self.unbounded = False

    def visit(self, node: Node, known: Mapping[str, float]) -> float:
        """Return an upper bound of a node's value size, relative to the data's size."""
        match node.kind:
            case "const":
                return 0
            case "ident":
                return known.get(node.name, 1)
            case "loop":
                return self._loop(node, known)
            case "call":
                return self._call(node, known)
            case "list" | "map":
                return sum(self.visit(child, known) for child in node.children)
            case _:
                return max((self.visit(child, known) for child in node.children), default=1)

    def _loop(self, node: Node, known: Mapping[str, float]) -> float:
        scanned, initial, condition, step, result = node.children
        each = self.visit(scanned, known)
        inside = {
            **known,
            node.name: each,
            node.accumulator: self.visit(initial, known),
        }
        self.visit(condition, inside)
        # Each iteration adds at most one element's share, so all iterations together add what one
        # step would add for the whole scanned value.
        inside[node.accumulator] += self.visit(step, inside)
        return self.visit(result, inside)

    def _call(self, node: Node, known: Mapping[str, float]) -> float:
        self.reads += 1
        sizes = [self.visit(child, known) for child in node.children]
        arguments = node.children[1:]
        name = node.name
        if name == "_+_":
            return sum(sizes)
        if name == "matches":
            self._matches(arguments)
        elif name == "format":
            # "%.1000f" formats one number to a thousand characters.
            self.unbounded |= literal_text(node.children[0]) is None
            return sum(sizes)
        elif name in _BUILDERS:
            texts = [literal_text(each) for each in arguments]
            self.products += None in texts
            return sizes[0] * (1 + max((len(text) for text in texts if text), default=0))
        elif name in _SEARCHES:
            self.pairs += any(literal_text(each) is None for each in arguments)
            self.reads += _SPLIT_READS if name == "split" else 0
        return max(sizes, default=0)

    def _matches(self, arguments: tuple[Node, ...]) -> None:
        pattern = literal_text(arguments[0]) if arguments else None
        if pattern is None:
            self.unbounded = True
            return
        instructions = len(pattern)
        for least, most in _COUNTED.findall(pattern):
            instructions *= max(int(least or 1), int(most or 1), 1)
        self.instructions += instructions
