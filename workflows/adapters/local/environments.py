"""The reference environments: a ``Provisioner`` whose resources are objects in the object store."""

import asyncio
from collections.abc import Iterable
from typing import ClassVar

from typing_extensions import override

from bridge.runtime.object_store import ObjectStore
from eventstore.database import Database
from workflows.adapters.local.materials import Materials, port_of
from workflows.adapters.shared.ledger import SliceLedger, SliceState
from workflows.adapters.shared.provider import ResourceProvider
from workflows.adapters.shared.provisioner import KeyedProvisioner
from workflows.messages.infra import Resource
from workflows.settings import InfraRules


class LocalProvisioner(KeyedProvisioner):
    """A ``Provisioner``.

    Args:
        database: With the tables of the workflows.
        store: Where the contents of resources are.
        rules: The operator's rules about changes.
        pause: Seconds to wait before each resource, like a provider over a network.
    """

    def __init__(
        self,
        database: Database,
        store: ObjectStore,
        rules: InfraRules | None = None,
        *,
        pause: float = 0,
    ) -> None:
        super().__init__(database, LocalProvider(Materials(store), pause), rules)


class LocalProvider(ResourceProvider):
    """Makes resources as objects."""

    kinds: ClassVar = {
        "bucket": frozenset({"region", "versioned"}),
        "database": frozenset({"region", "engine"}),
        "volume": frozenset({"region", "size_mb", "encrypted"}),
        "endpoint": frozenset({"region", "port"}),
    }

    def __init__(self, materials: Materials, pause: float) -> None:
        self._materials = materials
        self._pause = pause

    @override
    async def make(self, location: str, resource: Resource, ledger: SliceLedger) -> None:
        await self._materials.make(location, resource, ledger)

    @override
    async def remove(self, location: str) -> None:
        await self._materials.unmake(location)

    @override
    async def tidy(self, kept: Iterable[SliceState], ledger: SliceLedger) -> None:
        """Free the ports of endpoints that are gone."""
        await ledger.free_ports(
            (each.name, port)
            for state in kept
            for each in state.resources
            if (port := port_of(each)) is not None
        )

    @override
    async def pause(self, ledger: SliceLedger) -> None:
        await asyncio.sleep(self._pause)
        await super().pause(ledger)
