"""A finding on the limits that daemons divide. Pure."""

from collections import Counter, defaultdict
from collections.abc import Mapping

from bridge.lifecycle.lease_names import LIMIT_PREFIX
from bridge.runtime.findings import Finding

_NAMES = {"rate": "rate", "calls": "max_in_flight"}


def limit_findings(leases: Mapping[str, str]) -> list[Finding]:
    """Return a finding on the limits that are divided now, from all held leases."""
    units: Counter[tuple[str, str]] = Counter()
    asking: Mapping[tuple[str, str], set[str]] = defaultdict(set)
    for name, owner in leases.items():
        if not name.startswith(LIMIT_PREFIX):
            continue
        route, kind, *number = name.removeprefix(LIMIT_PREFIX).split("/")
        if len(number) > 1:
            asking[route, kind].add(owner)
        else:
            units[route, kind] += 1
    said = []
    for (route, kind), owners in sorted(asking.items()):
        way = "take turns" if len(owners) > units[route, kind] else "divide it"
        said.append(f"{_NAMES.get(kind, kind)} of {route}: {len(owners)} daemons {way}")
    return [Finding("limits", "ok", "; ".join(said))] if said else []
