"""Large payloads outside Temporal: Temporal gets a reference, the payload is in an object store.

Temporal refuses an argument or result of more than 2 MB, and a history of more than 50 MB. With
``payloads.store``, the daemon and the workers put payloads from ``payloads.threshold`` on into an object
store (`bridge.runtime.object_store`) and send a reference, by the External Storage of Temporal's SDKs. A
codec encrypts before, so the store has no more than Temporal would have.

**Format.** That of the SDKs' own drivers for S3 and Google Cloud Storage (``aws.s3driver``,
``gcp.gcsdriver``), so that workers in other languages read what the daemon stores, and the other way
round. For a folder or Azure there is none; those references have the driver ``ntbridge.objects``.

**Keys** are the SHA-256 of the serialized payload, so a repeated call stores nothing twice, unless a codec
encrypts it each time with another nonce. Only an erasure deletes (`bridge.history.removal`): Temporal may show a run as long as its
namespace's retention says, so a rule of the bucket deletes objects that are older than the longest run and
that retention together.

**Failures.** A store that does not answer is a fault of the environment: calls, closures and tasks of workers
wait. An object that is gone is a fault of the payload.
"""

from bridge.runtime.payload_store.settings import PayloadSettings

__all__ = ["PayloadSettings"]
