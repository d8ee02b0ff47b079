"""The content of statements, and the digests of events."""

from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256
from typing import Any

import msgspec

from eventstore.events import StoredEvent
from workflows.errors import NotGenuineError
from workflows.messages.provenance import RunReference

STATEMENT = "https://in-toto.io/Statement/v1"
FINGERPRINT = "https://quantum-suite.io/qlafs/fingerprint/v1"
SEAL = "https://quantum-suite.io/qlafs/seal/v1"


class Subject(msgspec.Struct, frozen=True):
    """The subject of a statement: a name, and digests by algorithm."""

    name: str
    digest: dict[str, str]


class EventDigest(msgspec.Struct, frozen=True):
    """An event of the run: its version in the run's stream, and its digest."""

    version: int
    sha256: str


class Predicate(msgspec.Struct, frozen=True, rename={"type_": "type"}, omit_defaults=True):
    """The predicate of a statement. ``type`` is the kind of artifact, absent in a seal."""

    agent: str
    inputs: dict[str, str]
    run: dict[str, str]
    previous: str | None
    events: list[EventDigest]
    type_: str | None = None


class Statement(msgspec.Struct, frozen=True, rename={"type_": "_type"}):
    """An in-toto Statement, version 1."""

    type_: str
    subject: list[Subject]
    predicateType: str  # noqa: N815 - the specification's
    predicate: Predicate


def statement(
    *,
    subject: Subject,
    kind: str,
    agent: str,
    inputs: Mapping[str, str],
    run: RunReference,
    previous: str | None,
    events: Sequence[StoredEvent],
    type_: str | None = None,
) -> bytes:
    """Return a statement as JSON, the same for the same arguments."""
    made = Statement(
        type_=STATEMENT,
        subject=[subject],
        predicateType=kind,
        predicate=Predicate(
            agent=agent,
            inputs=dict(inputs),
            run=run.model_dump(mode="json"),
            previous=previous,
            events=[EventDigest(event.version, digest_of(event)) for event in events],
            type_=type_,
        ),
    )
    return msgspec.json.encode(made, order="deterministic")


def subjects_of(payload: bytes) -> set[str]:
    """Return the SHA-256 of the subjects of a statement.

    Raises:
        NotGenuineError: The payload is not a statement.
    """
    try:
        made = msgspec.json.decode(payload, type=Statement)
    except msgspec.DecodeError as error:
        raise NotGenuineError(f"the payload is not a statement: {error}") from error
    return {subject.digest.get("sha256", "") for subject in made.subject}


def digest_of(stored: StoredEvent) -> str:
    """Return the SHA-256 of an event with its stream, version and lineage.

    Position and time of recording are not included: they change when a store is restored.
    """
    event = stored.event
    members: dict[str, Any] = {
        "attributes": msgspec.to_builtins(msgspec.structs.replace(event, data=None)),
        "data": None if event.data is None else sha256(event.data).hexdigest(),
        "stream": stored.stream,
        "version": stored.version,
        "origin": stored.origin.value,
        "topic": stored.topic,
        "correlation_id": stored.correlation_id,
        "correlation_uid": stored.correlation_uid,
        "causation_id": stored.causation_id,
        "causation_uid": stored.causation_uid,
        "tenant": stored.tenant,
        "schema_version": stored.schema_version,
    }
    return sha256(msgspec.json.encode(members, order="deterministic")).hexdigest()


def digest_of_run(events: Sequence[StoredEvent]) -> str:
    """Return the SHA-256 over the digests of all events of a run, in their order."""
    return digest_of_all(map(digest_of, events))


def digest_of_all(digests: Iterable[str]) -> str:
    """Return the SHA-256 over digests of events, in their order."""
    return sha256("\n".join(digests).encode()).hexdigest()
