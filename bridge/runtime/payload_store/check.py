"""The finding about the store of large payloads, for ``ntbridge doctor`` and ``ntbridge-worker check``."""

import asyncio

from temporalio.api.common.v1 import Payload
from temporalio.converter import StorageDriverRetrieveContext, StorageDriverStoreContext

from bridge.runtime.errors import ObjectStoreError
from bridge.runtime.findings import Finding
from bridge.runtime.payload_store.driver import ObjectDriver
from bridge.runtime.payload_store.settings import PayloadSettings

CHECK = "payload store"
_PATIENCE_SECONDS = 10.0
_PROBE = Payload(metadata={"encoding": b"binary/plain"}, data=b"a check of the payload store")


async def look_at_payload_store(settings: PayloadSettings, namespace: str) -> Finding:
    """Store a small payload and read it; the same payload each time, so no object is added."""
    if settings.store is None:
        detail = "none: Temporal refuses arguments and results above 2 MB"
        return Finding(CHECK, "ok", detail, "for larger ones, see docs/large-payloads.md")
    try:
        async with asyncio.timeout(_PATIENCE_SECONDS):
            driver = ObjectDriver(settings.store, namespace)
            claims = await driver.store(StorageDriverStoreContext(), [_PROBE])
            await driver.retrieve(StorageDriverRetrieveContext(), claims)
    except (ObjectStoreError, TimeoutError) as error:
        why = str(error) or f"no answer within {_PATIENCE_SECONDS:g} s"
        return Finding(
            CHECK,
            "failed",
            f"payloads of {settings.threshold} bytes and more cannot be stored: {why}",
            "start the store, or correct payloads.store and the provider's variables",
        )
    detail = f"payloads of {settings.threshold} bytes and more are in {driver.url}"
    return Finding(CHECK, "ok", detail)
