"""Verifies the events of a run by its statements.

An event whose data were removed from the store has another digest than the one that was signed. Such a
digest vouches for something that is gone: it is counted as erased, and every other one must be right. When
the row of an event is gone too, or a statement itself, what it covered is no longer known; the chain is
then checked from the next statement on.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from pydantic import ValidationError

from bridge.runtime.event_types import closure_status
from eventstore.events import StoredEvent, schema_version_of
from workflows.adapters.qlafs import dsse
from workflows.adapters.qlafs.signed import envelope_in
from workflows.adapters.qlafs.statements import (
    FINGERPRINT,
    SEAL,
    STATEMENT,
    EventDigest,
    Statement,
    digest_of,
    digest_of_all,
)
from workflows.errors import NotGenuineError
from workflows.messages.code_generation import Fingerprint
from workflows.messages.provenance import SEALED, SignedEnvelope
from workflows.messages.result_events import namespace_of, stream_of


@dataclass
class RunCheck:
    """The result of verifying one run.

    Attributes:
        stream: The run's stream.
        statements: All statements, each with the version of its event.
        covered: The number of events that genuine statements cover.
        erased: The number of events whose data or rows were removed from the store.
        problems: The problems, each with the version of its event.
    """

    stream: str
    statements: list[tuple[int, Statement]] = field(default_factory=list)
    covered: int = 0
    erased: int = 0
    problems: list[str] = field(default_factory=list)

    @property
    def unsigned(self) -> bool:
        """Whether the run has no statements, and had none."""
        return not self.statements and not self.problems and not self.erased

    @property
    def ok(self) -> bool:
        """Whether statements cover all events of the run that are not erased."""
        return not self.problems and bool(self.statements or self.erased)


def verify_run(
    events: Sequence[StoredEvent],
    trusted: Mapping[str, Ed25519PublicKey],
    *,
    rows_deleted: bool = False,
) -> RunCheck:
    """Check signatures, chain and digests of all events in one run's stream.

    Args:
        events: All events of the stream.
        trusted: Public keys by their ids.
        rows_deleted: Whether rows of the store were deleted: the first versions may be missing then.
    """
    return _Walk(events, trusted, rows_deleted=rows_deleted).walk()


class _Walk:
    """One pass through a stream."""

    def __init__(
        self,
        events: Sequence[StoredEvent],
        trusted: Mapping[str, Ed25519PublicKey],
        *,
        rows_deleted: bool,
    ) -> None:
        self._events = events
        self._rows_deleted = rows_deleted
        self._unknown = False
        """Whether a statement may have been erased since the last one."""
        self._version = 0
        self._signed: dict[int, str] = {}
        """By version: the digests that statements vouch for."""
        self._trusted = trusted
        self._checked = RunCheck(events[0].stream if events else "")
        self._pending: list[StoredEvent] = []
        self._previous: str | None = None
        self._sealed = False

    def walk(self) -> RunCheck:
        namespaces = sorted(
            {
                namespace_of(each.event.source) or ""
                for each in self._events
                if each.event.source
            }
        )
        if len(namespaces) > 1:
            self._checked.problems.append(
                f"runs of this workflow id in several namespaces ({', '.join(namespaces)}) share the "
                "stream, so they cannot be verified: give them different ids"
            )
            return self._checked
        for index, stored in enumerate(self._events):
            self._check_place(stored)
            envelope = envelope_in(stored)
            if envelope is not None:
                self._check_statement(index, stored, envelope)
            elif _is_erased(stored):
                self._pass_erased(stored)
            elif _should_have_one(stored):
                self._wrong(stored, "its statement is unreadable")
            self._pending.append(stored)
        self._check_end()
        return self._checked

    def _check_place(self, stored: StoredEvent) -> None:
        missing = stored.version - self._version - 1
        self._version = stored.version
        if missing > 0 and self._rows_deleted:
            self._checked.erased += missing
            self._unknown = True
        elif missing or stored.stream != self._checked.stream:
            self._wrong(
                stored, "it has the wrong place in the stream: an event before it is missing"
            )
        if not _is_erased(stored) and stored.uid != stored.event.uid:
            self._wrong(stored, "its uid does not match its source and id")

    def _pass_erased(self, stored: StoredEvent) -> None:
        """Count an event without data; where it was a statement, what that covered is not known."""
        self._checked.erased += 1
        if _should_have_one(stored):
            self._unknown = True
            self._pending = []
            self._sealed = stored.event.type == SEALED

    def _check_statement(
        self, index: int, stored: StoredEvent, envelope: SignedEnvelope
    ) -> None:
        try:
            payload = dsse.opened(envelope, self._trusted)
            statement = msgspec.json.decode(payload, type=Statement)
        except (NotGenuineError, msgspec.DecodeError) as error:
            self._wrong(stored, str(error))
            return
        self._checked.statements.append((stored.version, statement))
        predicate = statement.predicate
        if statement.type_ != STATEMENT or len(statement.subject) != 1:
            self._wrong(stored, "it is not a statement about one subject")
            return
        if predicate.previous != self._previous and not self._unknown:
            self._wrong(stored, "it refers to another statement than the previous one")
        where = self._differing(predicate.events)
        if where is not None:
            self._wrong(stored, f"an event before it was changed: {where}")
        else:
            self._checked.covered += sum(not _is_erased(event) for event in self._pending)
        if stream_of(predicate.run.get("workflow_id", "")) != stored.stream:
            self._wrong(stored, "it is a statement about another run")
        self._previous = dsse.digest(payload)
        self._pending, self._unknown = [], False
        self._sealed = statement.predicateType == SEAL
        if self._sealed:
            self._check_seal(index, stored, envelope, statement)
        elif statement.predicateType == FINGERPRINT:
            self._check_fingerprint(stored, statement)
        else:
            self._wrong(stored, f"its predicate type is unknown: {statement.predicateType}")

    def _differing(self, signed: list[EventDigest]) -> str | None:
        """Return which of the events since the last statement differ from the signed digests.

        The digest of an event that was erased is accepted as it was signed. Where a statement may be
        missing, the signed digests may begin with those of events that are not here.
        """
        erased = {event.version for event in self._pending if _is_erased(event)}
        known = {each.version: each for each in signed}
        self._signed |= {each.version: each.sha256 for each in signed}
        found = [
            known[event.version]
            if event.version in erased and event.version in known
            else EventDigest(event.version, digest_of(event))
            for event in self._pending
        ]
        if self._unknown:
            first = found[0].version if found else self._version
            signed = [each for each in signed if each.version >= first]
            start = signed[0].version if signed else first
            found = [each for each in found if each.version >= start]
        return None if signed == found else _differing(signed, found)

    def _check_fingerprint(self, stored: StoredEvent, statement: Statement) -> None:
        try:
            fingerprint = Fingerprint.model_validate_json(stored.event.data or b"")
        except ValidationError:
            self._wrong(stored, "its data is not a fingerprint")
            return
        signed = statement.predicate
        same = (
            statement.subject[0].digest == {"sha256": fingerprint.sha256}
            and signed.agent == fingerprint.agent
            and signed.inputs == dict(fingerprint.inputs)
        )
        if not same:
            self._wrong(stored, "its data differs from what was signed")

    def _check_seal(
        self, index: int, stored: StoredEvent, envelope: SignedEnvelope, statement: Statement
    ) -> None:
        """Check the seal, whose own event no later statement covers."""
        sealed = statement.subject[0].digest
        if sealed != {"sha256": self._digest_of_run(self._events[:index])} and (
            self._is_known(self._events[:index])
        ):
            self._wrong(stored, "the run's events differ from the sealed ones")
        event = stored.event
        if event.data != msgspec.json.encode({"envelope": envelope.model_dump(mode="json")}):
            self._wrong(stored, "its data is not exactly the seal")
        before = next(
            (each for each in reversed(self._events[:index]) if not _is_erased(each)), stored
        )
        if _surroundings(stored) != _surroundings(before) or event.type != SEALED:
            self._wrong(stored, "it does not belong to the run")
        if stored.topic != _TOPIC:
            self._wrong(stored, f"it was published on {stored.topic}, not {_TOPIC}")

    def _digest_of_run(self, events: Sequence[StoredEvent]) -> str:
        """Return the digest of the run, with the signed digests of what was erased."""
        return digest_of_all(
            self._signed.get(event.version, "") if _is_erased(event) else digest_of(event)
            for event in events
        )

    def _is_known(self, events: Sequence[StoredEvent]) -> bool:
        """Return whether each event is there, or has a signed digest."""
        return len(events) == self._version - 1 and all(
            not _is_erased(event) or event.version in self._signed for event in events
        )

    def _check_end(self) -> None:
        if self._checked.unsigned:
            return
        after = [
            e for e in self._pending if closure_status(e.event.type, e.topic or "") is None
        ]
        if self._sealed and after:
            seal, *after = after
            self._checked.covered += not _is_erased(seal)
        if after or not self._sealed:
            versions = ", ".join(str(event.version) for event in after)
            self._checked.problems.append(
                f"the run is not sealed: no statement covers event {versions}"
            )

    def _wrong(self, stored: StoredEvent, what: str) -> None:
        self._checked.problems.append(f"event {stored.version} ({stored.event.type}): {what}")


_RECORDED = ".fingerprint-recorded.v1"
_TOPIC = "results.provenance.sealed"


def _is_erased(stored: StoredEvent) -> bool:
    """Return whether the data of an event were removed from the store."""
    return stored.removal is not None and stored.event.data is None


def _should_have_one(stored: StoredEvent) -> bool:
    """Return whether an event must have a statement; unsigned fingerprints have none."""
    event = stored.event
    kind = event.type == SEALED or event.type.endswith(_RECORDED)
    return kind and b'"envelope":null' not in (event.data or b"")


def _surroundings(stored: StoredEvent) -> tuple[object, ...]:
    """Return the attributes that all events of a run share."""
    event = stored.event
    return (
        event.source,
        event.subject,
        event.datacontenttype,
        event.dataschema,
        dict(event.extensions),
        stored.origin,
        stored.correlation_id,
        stored.correlation_uid,
        stored.causation_id,
        stored.causation_uid,
        stored.tenant,
        stored.schema_version == schema_version_of(event.type),
    )


def _differing(signed: list[EventDigest], found: list[EventDigest]) -> str:
    signed_by_version = {each.version: each.sha256 for each in signed}
    found_by_version = {each.version: each.sha256 for each in found}
    versions = sorted(
        version
        for version in {*signed_by_version, *found_by_version}
        if signed_by_version.get(version) != found_by_version.get(version)
    )
    return f"event {', '.join(map(str, versions))}" if versions else "their order"


def artifact_in(events: Sequence[StoredEvent], digest: str) -> StoredEvent | None:
    """Return the event whose ``code`` is the artifact with this digest, if any."""
    for stored in events:
        data = stored.event.data
        if data is None or b'"code"' not in data:
            continue
        try:
            code = msgspec.json.decode(data).get("code")
        except (msgspec.DecodeError, AttributeError):
            continue
        if isinstance(code, str) and sha256(code.encode()).hexdigest() == digest:
            return stored
    return None
