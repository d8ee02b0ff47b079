"""Recognises references to payloads in an object store."""

from temporalio.api.common.v1 import Payload
from temporalio.api.sdk.v1.external_storage_pb2 import ExternalStorageReference

_MESSAGE = ExternalStorageReference.DESCRIPTOR.full_name.encode()


def is_reference(payload: Payload) -> bool:
    """Return whether a payload is a reference of Temporal's External Storage."""
    return payload.metadata.get("messageType") == _MESSAGE
