"""The kinds of resources that the local provisioner knows, and their properties."""

from collections.abc import Iterable, Mapping
from difflib import get_close_matches

from workflows.errors import InvalidInputError
from workflows.messages.infra import Resource

KINDS: Mapping[str, frozenset[str]] = {
    "bucket": frozenset({"region", "versioned"}),
    "database": frozenset({"region", "engine"}),
    "volume": frozenset({"region", "size_mb", "encrypted"}),
    "endpoint": frozenset({"region", "port"}),
}
"""The properties of each kind."""


def check_kinds(resources: Iterable[Resource]) -> None:
    """Check that all kinds and properties are known.

    Raises:
        InvalidInputError: Names every unknown kind and property.
    """
    faults = [fault for resource in resources for fault in _faults(resource)]
    if faults:
        raise InvalidInputError("; ".join(faults))


def _faults(resource: Resource) -> Iterable[str]:
    known = KINDS.get(resource.kind)
    if known is None:
        yield f"{resource.name}: unknown kind {resource.kind}{_meant(resource.kind, KINDS)}"
        return
    for name in sorted(resource.properties.keys() - known):
        yield f"{resource.name}: a {resource.kind} has no property {name}{_meant(name, known)}"


def _meant(name: str, known: Iterable[str]) -> str:
    names = sorted(known)
    close = get_close_matches(name, names, n=1)
    if close:
        return f"; did you mean {close[0]}?"
    return f" (known: {', '.join(names)})"
