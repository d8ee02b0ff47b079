"""The settings of large payloads, the same for the daemon and the workers."""

from typing import Self
from urllib.parse import urlsplit

from pydantic import ByteSize, ConfigDict, Field, model_validator

from bridge.runtime.errors import ObjectStoreError
from bridge.runtime.object_url import check_url
from bridge.runtime.strict import NoTruthForNumber

_DEFAULT_THRESHOLD = 128 * 2**10
_MAX_THRESHOLD = 2 * 2**20
"""Temporal refuses larger payloads."""


class PayloadSettings(NoTruthForNumber):
    """Where large payloads are stored. Without a store, Temporal gets them, and refuses those above 2 MB."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    store: str | None = None
    """The URL of the object store: ``s3://bucket/prefix``, ``gs://…``, ``az://…``, or ``file:///folder`` on a
    disk that all daemons and workers share."""
    threshold: ByteSize = Field(ByteSize(_DEFAULT_THRESHOLD), ge=1024, le=_MAX_THRESHOLD)
    """The size from which a payload is stored there."""

    @model_validator(mode="after")
    def _is_a_store(self) -> Self:
        if self.store is None:
            return self
        try:
            check_url(self.store)
        except ObjectStoreError as error:
            raise ValueError(str(error)) from None
        parts = urlsplit(self.store)
        if parts.scheme in ("s3", "gs", "az") and not parts.netloc:
            raise ValueError(f"store names no bucket: {parts.scheme}://bucket/prefix")
        return self
