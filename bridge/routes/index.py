"""An index of routes by subject and type. Pure.

A tree of subject tokens finds the routes whose filter covers a topic: at each token the search
continues with the literal child and the ``*`` child, and takes the routes of a ``>``. At each node
routes are grouped by type: exact types in one dictionary, prefixes in another, which is searched
once for each prefix length. So the cost of a search depends on the depth of the subject and the
number of prefix lengths, not on the number of routes. If many routes have the same subject and
type, all of them are candidates.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from operator import itemgetter

from bridge.routes.model import Route

_MAX_KNOWN = 1024

_Numbered = tuple[int, Route]


class RouteIndex:
    """Finds the routes whose subject and type match, in the order of the file."""

    def __init__(self, routes: Sequence[Route]) -> None:
        self._root = _Branch()
        self._known: dict[tuple[str, str], Sequence[Route]] = {}
        """What was found, by topic and type: most events repeat those of others."""
        for numbered in enumerate(routes):
            self._group_for(numbered[1].subject).add(numbered)

    def candidates(self, topic: str, event_type: str) -> Sequence[Route]:
        """Return exactly the routes whose subject filter and type match."""
        known = self._known.get((topic, event_type))
        if known is not None:
            return known
        found = [
            numbered
            for group in _groups(self._root, topic.split("."), 0)
            for numbered in group.of_type(event_type)
        ]
        found.sort(key=itemgetter(0))
        routes = tuple(route for _, route in found)
        if len(self._known) >= _MAX_KNOWN:
            self._known.clear()
        self._known[topic, event_type] = routes
        return routes

    def _group_for(self, subject: str) -> "_Group":
        branch = self._root
        tokens = subject.split(".")
        for token in tokens[:-1]:
            branch = branch.below[token]
        if tokens[-1] == ">":
            return branch.anything_below
        return branch.below[tokens[-1]].here


class _Branch:
    """A tree node: the routes whose subject begins with certain tokens."""

    __slots__ = ("anything_below", "below", "here")

    def __init__(self) -> None:
        self.below: defaultdict[str, _Branch] = defaultdict(_Branch)
        self.here = _Group()
        self.anything_below = _Group()


class _Group:
    """The routes of one subject filter, by type."""

    __slots__ = ("_any", "_exact", "_lengths", "_prefixed")

    def __init__(self) -> None:
        self._any: list[_Numbered] = []
        self._exact: defaultdict[str, list[_Numbered]] = defaultdict(list)
        self._prefixed: defaultdict[str, list[_Numbered]] = defaultdict(list)
        self._lengths: set[int] = set()

    def add(self, numbered: _Numbered) -> None:
        wanted = numbered[1].type
        if wanted is None:
            self._any.append(numbered)
        elif wanted.endswith("*"):
            self._prefixed[wanted[:-1]].append(numbered)
            self._lengths.add(len(wanted) - 1)
        else:
            self._exact[wanted].append(numbered)

    def of_type(self, event_type: str) -> Iterator[_Numbered]:
        yield from self._any
        yield from self._exact.get(event_type, ())
        for length in self._lengths:
            if length <= len(event_type):
                yield from self._prefixed.get(event_type[:length], ())


def _groups(branch: _Branch, tokens: Sequence[str], at: int) -> Iterator[_Group]:
    if at == len(tokens):
        yield branch.here
        return
    yield branch.anything_below
    for step in {tokens[at], "*"}:
        below = branch.below.get(step)
        if below is not None:
            yield from _groups(below, tokens, at + 1)
