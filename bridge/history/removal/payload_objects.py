"""Objects of the payload store: large arguments that the bridge stored when it called Temporal for events.

The histories of the runs have the references. A run that Temporal no longer has, and objects that
workers stored, are left to the rule of the bucket that deletes old objects (docs/large-payloads.md).
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from uuid import UUID

import msgspec

from bridge.operations.calls import CallError
from bridge.runtime.errors import ObjectStoreError
from bridge.runtime.payload_store.driver import ObjectDriver
from bridge.settings.temporal_settings import NamespacesSettings
from bridge.temporal import Gateway


class DispatchedCall(msgspec.Struct, frozen=True):
    """A call that was made for an event."""

    namespace: str
    workflow_id: str
    run_id: str
    uid: UUID
    request_id: UUID


class PayloadObjects:
    """Deletes the objects to which calls for events refer.

    Args:
        gateways: To the namespaces, as plans call them.
        settings: Their payload stores.
    """

    def __init__(self, gateways: Mapping[str, Gateway], settings: NamespacesSettings) -> None:
        self._gateways = gateways
        self._settings = settings
        self.deleted = 0
        """References whose objects were deleted."""
        self.left: Counter[str] = Counter()
        """By reason: runs whose objects could not be deleted."""

    async def delete(self, calls: Iterable[DispatchedCall]) -> None:
        """Delete the objects of some calls; may be repeated."""
        by_run: dict[tuple[str, str, str], list[DispatchedCall]] = {}
        for call in calls:
            by_run.setdefault((call.namespace, call.workflow_id, call.run_id), []).append(call)
        for (namespace, workflow_id, run_id), made in by_run.items():
            settings = self._settings.each.get(namespace)
            gateway = self._gateways.get(namespace)
            if settings is None or gateway is None:
                self.left[f"the settings do not name the namespace {namespace}"] += 1
                continue
            if settings.payloads.store is None:
                continue
            try:
                found = await gateway.references(
                    workflow_id,
                    run_id,
                    {str(call.uid) for call in made},
                    {str(call.request_id) for call in made},
                )
                driver = ObjectDriver(settings.payloads.store, settings.namespace)
                for reference in found:
                    if reference.driver != driver.name():
                        self.left[f"they are in a store of the driver {reference.driver}"] += 1
                        continue
                    await driver.delete(reference.claim)
                    self.deleted += 1
            except CallError as error:
                why = "Temporal no longer has the run" if error.target_gone else str(error)
                self.left[why] += 1
            except ObjectStoreError as error:
                self.left[str(error)] += 1
