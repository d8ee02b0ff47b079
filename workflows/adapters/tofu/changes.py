"""What a plan of OpenTofu or Terraform changes, by resource of ours. Pure.

The format is that of ``show -json`` for a plan file, major version 1:
https://opentofu.org/docs/internals/json-format/.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from workflows.adapters.planning import by_name, differing
from workflows.adapters.tofu.configuration import MARK
from workflows.errors import ToolFailedError
from workflows.messages.infra import Action, Change, Resource

_FORMAT = "1."
_IDLE = ({"no-op"}, {"read"})


class PlanFile:
    """A plan file, as ``show -json`` describes it.

    Raises:
        ToolFailedError: The description is of another major version.
    """

    def __init__(self, shown: Mapping[str, Any]) -> None:
        version = str(shown.get("format_version", "none"))
        if not version.startswith(_FORMAT):
            raise ToolFailedError(f"plans of format {version} are not understood, only 1.x")
        self._changes = [
            change
            for change in shown.get("resource_changes", [])
            if change.get("mode") == "managed" and set(change["change"]["actions"]) not in _IDLE
        ]
        self._outputs = shown.get("output_changes", {})

    @property
    def mark(self) -> str:
        """The value that the state has as output ``MARK`` after this plan."""
        return str(self._outputs.get(MARK, {}).get("after"))

    def changes(
        self, current: Sequence[Resource], wanted: Sequence[Resource]
    ) -> tuple[Change, ...]:
        """Return the changes by resource, sorted by name."""
        before, after = by_name(current), by_name(wanted)
        actions: dict[str, set[str]] = {}
        for change in self._changes:
            actions.setdefault(_module(change), set()).update(change["change"]["actions"])
        names = sorted(before.keys() | after.keys() | actions.keys())
        found = (
            _change(name, before.get(name), after.get(name), actions.get(name, set()))
            for name in names
        )
        return tuple(change for change in found if change is not None)

    @property
    def details(self) -> frozenset[str]:
        """The changes in full, to compare two plans."""
        return frozenset(
            json.dumps([change["address"], change["change"]], sort_keys=True)
            for change in self._changes
        )

    @property
    def results(self) -> Mapping[str, str]:
        """What each changed object will be, by its address."""
        return {
            change["address"]: json.dumps(
                [change["change"].get("after"), change["change"].get("after_unknown")],
                sort_keys=True,
            )
            for change in self._changes
        }

    def is_rest_of(self, other: "PlanFile") -> bool:
        """Return whether this changes nothing that the other does not, to the same values.

        It is what is left of the other when that was applied in part.
        """
        whole = other.results
        return all(whole.get(address) == value for address, value in self.results.items())


def changed_by_others(changes: Iterable[Change]) -> Iterable[str]:
    """Return reasons for approval: resources that are as they were wanted, and yet change."""
    for change in changes:
        if change.action in {Action.UPDATE, Action.REPLACE} and not change.properties:
            yield f"{change.name} was changed by others: the plan changes it back"


def _change(
    name: str, before: Resource | None, after: Resource | None, actions: set[str]
) -> Change | None:
    if after is None:
        return Change(action=Action.DESTROY, name=name, before=before)
    if before is None:
        return Change(action=Action.CREATE, name=name, after=after)
    properties = differing(before.properties, after.properties)
    if "delete" in actions:
        action = Action.REPLACE
    elif actions or properties or before.kind != after.kind:
        action = Action.UPDATE
    else:
        return None
    return Change(action=action, name=name, before=before, after=after, properties=properties)


def _module(change: Mapping[str, Any]) -> str:
    """Return the name of the module call at the root that a change is in."""
    address = str(change.get("module_address", ""))
    return address.removeprefix("module.").partition(".")[0].partition("[")[0]
