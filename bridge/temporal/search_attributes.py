"""The namespace's search attributes: which there are, which the bridge needs, what is wrong with them."""

from collections.abc import Awaitable, Callable, Collection, Mapping

import msgspec
from temporalio.api.enums.v1 import IndexedValueType

from bridge.operations.calls import CallError

SEARCH_ATTRIBUTES = ("BridgeRoute", "EventUid", "EventType", "CorrelationId", "Phase")
"""Keywords every run that a route starts carries; registered by `ntbridge migrate`."""

_PREFIX = "INDEXED_VALUE_TYPE_"
_KEYWORD = IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD
_REFUSE_TEXT = frozenset(
    {
        IndexedValueType.INDEXED_VALUE_TYPE_INT,
        IndexedValueType.INDEXED_VALUE_TYPE_DOUBLE,
        IndexedValueType.INDEXED_VALUE_TYPE_BOOL,
        IndexedValueType.INDEXED_VALUE_TYPE_DATETIME,
    }
)

Types = Mapping[str, IndexedValueType.ValueType]
"""By name; the namespace's own, without Temporal's."""


class Registered(msgspec.Struct, frozen=True, kw_only=True):
    """How the namespace's search attributes compare with those that the bridge needs."""

    missing: tuple[str, ...]
    mistyped: Mapping[str, str]
    """By name: the type that it has, in Temporal's words, where ``Keyword`` is needed."""
    others: frozenset[str]
    """Names that are registered besides, for the routes' own."""

    @property
    def faults(self) -> str:
        """What is wrong with types, in words; empty: nothing."""
        return ", ".join(f"{name} is {kind}" for name, kind in self.mistyped.items())

    @property
    def to_do(self) -> str:
        """How to correct the types."""
        commands = "; ".join(
            f"temporal operator search-attribute remove --name {name}" for name in self.mistyped
        )
        return (
            f"they must be Keyword: '{commands}', then 'ntbridge migrate'. Nothing is given up "
            "meanwhile: dispatches stay open"
        )


def compare(types: Types) -> Registered:
    """Compare the namespace's search attributes with those that the bridge needs."""
    return Registered(
        missing=tuple(name for name in SEARCH_ATTRIBUTES if name not in types),
        mistyped={
            name: _word(types[name])
            for name in SEARCH_ATTRIBUTES
            if name in types and types[name] != _KEYWORD
        },
        others=frozenset(types) - set(SEARCH_ATTRIBUTES),
    )


async def at_fault(
    error: CallError,
    names: Collection[str],
    namespace: str,
    ask: Callable[[], Awaitable[Types]],
) -> str | None:
    """Return what is wrong with the namespace's search attributes, if a start was refused for that.

    Temporal answers INVALID_ARGUMENT, without a detail, both when an attribute is not registered and
    when an event's value does not fit; the text of the second repeats that value. So the namespace is
    asked. A frontend knows a change some seconds after the list shows it, hence the comparison with
    the whole text for a name that the route gave, which no value of an event can bring about.

    Args:
        error: The refusal.
        names: The attributes that the start carries.
        namespace: Where it was to start.
        ask: Lists what is registered.
    """
    if error.status != "INVALID_ARGUMENT" or not names:
        return None
    for name in names:
        if (
            error.message
            == f"Namespace {namespace} has no mapping defined for search attribute {name}"
        ):
            return f"the search attribute {name} is not registered"
    try:
        types = await ask()
    except CallError as refusal:
        if refusal.status in ("PERMISSION_DENIED", "UNIMPLEMENTED"):
            return None
        raise
    for name in names:
        if name not in types:
            return f"the search attribute {name} is not registered"
        if name in SEARCH_ATTRIBUTES and types[name] in _REFUSE_TEXT:
            return f"the search attribute {name} is registered as {_word(types[name])}, not Keyword"
    return None


def _word(number: IndexedValueType.ValueType) -> str:
    """Return a type's name as Temporal's command line takes it: ``KeywordList``."""
    return "".join(
        part.capitalize()
        for part in IndexedValueType.Name(number).removeprefix(_PREFIX).split("_")
    )
