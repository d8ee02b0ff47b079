"""The namespace's search attributes, compared with those that the bridge needs."""

from collections.abc import Awaitable, Callable, Collection, Mapping

import msgspec
from temporalio.api.enums.v1 import IndexedValueType

from bridge.operations.calls import CallError

SEARCH_ATTRIBUTES = ("BridgeRoute", "EventUid", "EventType", "CorrelationId", "Phase")
"""Search attributes of type Keyword on every run that a route starts; `ntbridge migrate` registers them."""

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
"""Types by name; custom search attributes only."""


class Registered(msgspec.Struct, frozen=True, kw_only=True):
    """The registered search attributes, compared with those that the bridge needs."""

    missing: tuple[str, ...]
    mistyped: Mapping[str, str]
    """Types other than the needed ``Keyword``, by name, in Temporal's words."""
    others: frozenset[str]
    """All other registered names, which routes may use."""

    @property
    def faults(self) -> str:
        """The wrong types, in words; empty when all are right."""
        return ", ".join(f"{name} is {kind}" for name, kind in self.mistyped.items())

    @property
    def to_do(self) -> str:
        """How to correct the wrong types."""
        commands = "; ".join(
            f"temporal operator search-attribute remove --name {name}" for name in self.mistyped
        )
        return (
            f"they must be Keyword: run '{commands}', then 'ntbridge migrate'; until then "
            "dispatches stay open"
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
    """Return what is wrong with the namespace's search attributes, if Temporal refused a start for it.

    Temporal answers INVALID_ARGUMENT, without a detail, both when an attribute is not registered and
    when an event's value does not fit its type; the second message quotes the value. So the registered
    attributes are read. A frontend learns of a change some seconds after the list shows it; therefore
    the whole message is compared too. Only a name from the route can match it, no event's value.

    Args:
        error: Temporal's error.
        names: The search attributes of the start.
        namespace: The namespace of the start.
        ask: Lists the registered search attributes.
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
    """Return a type's name as Temporal's command line spells it: ``KeywordList``."""
    return "".join(
        part.capitalize()
        for part in IndexedValueType.Name(number).removeprefix(_PREFIX).split("_")
    )
