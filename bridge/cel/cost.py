"""What evaluating an expression takes at worst, judged by its shape and the size of the data.

The engine holds the interpreter's lock while it evaluates, so nothing can watch it: what may
take long must not be begun on the event loop. `Cost.seconds` bounds the time before an
evaluation begins. It is an upper bound of a rough kind, made of measured costs: too high is a
few milliseconds on the way to another process, too low a loop that stands still.
"""

import re
from collections.abc import Mapping

import msgspec

from bridge.cel.syntax import Loops, Node, literal_text, loops, walk
from eventstore.events import Event

MAX_ROUNDS = 10_000
"""After which CEL stops: its own default, which Python cannot set; a test holds it to it."""

# Measured with cel-expr-python 0.1.3 on one core of a small virtual machine, in seconds.
_PER_BYTE = 15e-9
"""Of an operation that reads a list, map or text once; comparing dense objects takes most."""
_PER_PAIR = 0.05e-9
"""Of a search for one text in another, for each pair of their characters (0.03 measured)."""
_PER_PRODUCT = 3e-9
"""Of a text that is built by `replace` or `join`, for each pair of characters (2 measured)."""
_PER_STEP = 4e-9
"""Of matching, for each byte of the text and each instruction of the pattern (3.4 measured)."""
_PER_ROUND = 3e-6
"""Of one round of a loop; a call into Python in each takes most."""
_PER_ELEMENT_BUILT = 12e-9
"""Of copying a list in each round of a loop that builds one."""

_RESULT_READS = 4
"""Giving a list or map to Python takes as long as reading it so often."""
_SPLIT_READS = 15
_MAX_GROWTH = 64
"""A result that may be so many times the size of the data is not bounded by this estimate."""
_SEARCHES = frozenset({"contains", "indexOf", "lastIndexOf", "split"})
_BUILDERS = frozenset({"replace", "join"})
_COUNTED = re.compile(r"\{(\d*),?(\d*)\}")


class Cost(msgspec.Struct, frozen=True):
    """What an evaluation takes at worst; see `Cost.seconds`."""

    reads: int
    """Operations, each of which may read all of the data once."""
    pairs: int = 0
    """Searches for one text of the event in another."""
    products: int = 0
    """Texts built of pieces and separators that are both of the event."""
    instructions: int = 0
    """Of all constant patterns together."""
    growth: float = 1
    """How many times as large as the data its largest value may be."""
    elements: int = 0
    """Of the longest list that the expression writes out."""
    loops: Loops = Loops()

    @property
    def is_cheap(self) -> bool:
        """Whether it takes as long as reading the data a few times."""
        return (
            self.growth == 1
            and not (self.pairs or self.products or self.instructions)
            and not self.loops.depth
        )

    def seconds(self, size: int, elements: int) -> float:
        """Return the seconds that it takes at most; infinite where nothing bounds it.

        Args:
            size: Bytes of the event.
            elements: An upper bound for the elements of the largest list or map.
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
    """Return the bytes of an event that expressions may read, about."""
    texts = (event.id, event.source, event.type, event.subject or "", event.time or "")
    extensions = sum(
        len(value) for value in event.extensions.values() if isinstance(value, str)
    )
    return len(event.data or b"") + sum(map(len, texts)) + extensions


def elements_of(event: Event) -> int:
    """Return an upper bound for the elements of the largest list or map of an event."""
    return max((event.data or b"").count(b",") + 1, len(event.extensions))


def cost_of(node: Node, *, small: bool) -> Cost:
    """Return the cost of an expression; ``small`` when its result is no list or map."""
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
    """Adds up the operations of an expression, and follows how its values grow."""

    def __init__(self) -> None:
        self.reads = self.pairs = self.products = self.instructions = 0
        self.unbounded = False

    def visit(self, node: Node, known: Mapping[str, float]) -> float:
        """Return how many times as large as the data the value of a node may be."""
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
        # What a step adds in each round is a part of what is scanned, so that all rounds
        # together add what one step would make of all of it.
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
            # "%.1000f" of a number is a thousand characters.
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
