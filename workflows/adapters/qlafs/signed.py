"""Statements, signed and chained."""

from hashlib import sha256

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from eventstore.errors import EventStoreError
from eventstore.events import StoredEvent
from eventstore.store import EventStore
from workflows.adapters.qlafs import dsse
from workflows.adapters.qlafs.statements import (
    FINGERPRINT,
    SEAL,
    Subject,
    digest_of_run,
    statement,
)
from workflows.errors import ProvenanceError
from workflows.messages.code_generation import Artifact, Fingerprint
from workflows.messages.provenance import RunReference, Seal, SealRequest, SignedEnvelope
from workflows.messages.result_events import stream_of


class SignedQlafs:
    """A ``Qlafs`` with signed statements, which anyone with the public key can verify."""

    def __init__(self, store: EventStore, key: Ed25519PrivateKey) -> None:
        self._store = store
        self._key = key

    async def fingerprint(self, artifact: Artifact, *, run: RunReference) -> Fingerprint:
        """Sign a statement about an artifact and all earlier events of the run."""
        content = sha256(artifact.content.encode()).hexdigest()
        events = await self._events(run)
        previous, since = _last_statement(events)
        payload = statement(
            subject=Subject(f"{run.workflow_id}/{artifact.agent}", {"sha256": content}),
            kind=FINGERPRINT,
            agent=artifact.agent,
            inputs=artifact.inputs,
            type_=artifact.type,
            run=run,
            previous=previous,
            events=since,
        )
        return Fingerprint(
            sha256=content,
            agent=artifact.agent,
            inputs=artifact.inputs,
            type=artifact.type,
            envelope=dsse.sign(payload, self._key),
        )

    async def seal(self, request: SealRequest, *, run: RunReference) -> Seal:
        """Sign a statement about all events of the run."""
        events = await self._events(run)
        previous, since = _last_statement(events)
        payload = statement(
            subject=Subject(run.workflow_id, {"sha256": digest_of_run(events)}),
            kind=SEAL,
            agent=run.workflow_type,
            inputs={"closing": request.closing},
            run=run,
            previous=previous,
            events=since,
        )
        return Seal(envelope=dsse.sign(payload, self._key))

    async def _events(self, run: RunReference) -> list[StoredEvent]:
        try:
            return [
                event async for event in self._store.read_stream(stream_of(run.workflow_id))
            ]
        except EventStoreError as error:
            raise ProvenanceError(f"the run's events cannot be read: {error}") from error


def envelope_in(stored: StoredEvent) -> SignedEnvelope | None:
    """Return the envelope in an event's data, if any."""
    data = stored.event.data
    if data is None or b'"envelope"' not in data:
        return None
    try:
        members = msgspec.json.decode(data)
        return SignedEnvelope.model_validate(members["envelope"])
    except (msgspec.DecodeError, LookupError, TypeError, ValueError):
        return None


def _last_statement(events: list[StoredEvent]) -> tuple[str | None, list[StoredEvent]]:
    """Return the digest of the last statement, and the events since then, including its own."""
    for index in range(len(events) - 1, -1, -1):
        envelope = envelope_in(events[index])
        if envelope is not None:
            return dsse.digest(dsse.payload_of(envelope)), events[index:]
    return None, events
