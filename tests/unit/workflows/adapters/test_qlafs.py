"""What a run has told is vouched for: changed anywhere, it is found out."""

import asyncio
import json
import stat
from base64 import b64decode
from collections.abc import AsyncIterator, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast
from uuid import UUID

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from eventstore.events import Event, Origin, StoredEvent, microseconds
from eventstore.store import EventStore
from workflows.adapters.qlafs import dsse
from workflows.adapters.qlafs.keys import key_id, load_or_make, load_private, load_public
from workflows.adapters.qlafs.signed import SignedQlafs
from workflows.adapters.qlafs.verification import RunCheck, artifact_in, verify_run
from workflows.errors import InvalidSettingError, NotGenuineError
from workflows.messages.code_generation import Artifact
from workflows.messages.message import Message
from workflows.messages.provenance import SEALED, RunReference, SealRequest
from workflows.messages.result_events import stream_of

RUN = RunReference(namespace="n", workflow_type="W", workflow_id="w/1", run_id="r")
KEY = Ed25519PrivateKey.from_private_bytes(bytes(32))
TRUSTED = {key_id(KEY.public_key()): KEY.public_key()}
CODE = "def f(): pass\n"
TYPE = "io.quantum-suite.code-generation.{}.v1"


class Told(list[StoredEvent]):
    """The stream of one run, as the store would hold it."""

    def tell(
        self, event_type: str, data: Any, topic: str | None = None, namespace: str = "n"
    ) -> None:
        number = len(self) + 1
        event = Event(
            id=f"id-{number}",
            source=f"/temporal/{namespace}/W",
            type=event_type,
            subject=RUN.workflow_id,
            time=f"2026-01-01T00:00:0{number}Z",
            datacontenttype="application/json",
            data=msgspec.json.encode(
                data.model_dump(mode="json") if isinstance(data, Message) else data
            ),
            extensions={"correlationid": "c", "hops": 1},
        )
        *_, name = event_type.removesuffix(".v1").split(".")
        self.append(
            StoredEvent(
                event=event,
                uid=event.uid,
                stream=stream_of(RUN.workflow_id),
                version=number,
                position=number,
                recorded_us=microseconds(datetime(2026, 1, 1, tzinfo=UTC)),
                origin=Origin.EMITTED,
                topic=topic or f"results.{'provenance' if name == 'sealed' else 'code'}.{name}",
                correlation_id="c",
                correlation_uid=UUID(int=1),
                causation_id="c",
                causation_uid=UUID(int=2),
                tenant=None,
                schema_version=1,
            )
        )

    async def read_stream(self, stream: str) -> AsyncIterator[StoredEvent]:
        assert stream == stream_of(RUN.workflow_id)
        for stored in list(self):
            yield stored


async def told() -> Told:
    """What a small run tells: code, its fingerprint, another one, the end, and the seal."""
    run = Told()
    qlafs = SignedQlafs(cast("EventStore", run), KEY)
    run.tell(TYPE.format("code-generated"), {"code": CODE})
    for agent in ("qagent-v1", "qtest-v1"):
        artifact = Artifact(content=CODE, agent=agent, inputs={"prompt": "f"})
        fingerprint = await qlafs.fingerprint(artifact, run=RUN)
        assert fingerprint == await qlafs.fingerprint(artifact, run=RUN), (
            "a retry says the same"
        )
        run.tell(TYPE.format("fingerprint-recorded"), fingerprint)
    run.tell(TYPE.format("completed"), {"code": CODE})
    run.tell(SEALED, await qlafs.seal(SealRequest(closing=TYPE.format("completed")), run=RUN))
    return run


def check(run: list[StoredEvent]) -> RunCheck:
    return verify_run(run, TRUSTED)


async def test_a_run_that_nobody_touched_is_verified() -> None:
    run = await told()
    checked = check(run)
    assert checked.problems == []
    assert checked.ok
    assert (len(checked.statements), checked.covered) == (3, 5)
    _, first = checked.statements[0]
    assert first.subject[0].digest == {
        "sha256": run[1].event.data and json.loads(run[1].event.data)["sha256"]
    }
    artifact = artifact_in(run, first.subject[0].digest["sha256"])
    assert artifact is not None
    assert artifact.version == 1


def erased(stored: StoredEvent) -> StoredEvent:
    """As the store gives an event whose data and attributes were removed."""
    event = msgspec.structs.replace(stored.event, data=None, subject=None)
    return msgspec.structs.replace(stored, event=event, topic=None, removal=3)


@pytest.mark.parametrize("gone", [{1}, {2}, {1, 2}, {3, 4}, {5}, {1, 2, 3, 4, 5}])
async def test_what_was_erased_is_accepted_and_the_rest_must_be_right(gone: set[int]) -> None:
    run = await told()
    left = [erased(each) if each.version in gone else each for each in run]
    checked = check(left)
    assert checked.problems == []
    assert (checked.ok, checked.unsigned, checked.erased) == (True, False, len(gone))
    assert checked.covered <= 5 - len(gone)
    # A change of what is left is found, where a statement that is left covers it.
    statements = {2, 3, 5} - gone
    for version in {1, 2, 3, 4} - gone:
        if not any(later > version for later in statements):
            continue
        other = msgspec.structs.replace(left[version - 1], correlation_id="x")
        assert not check([*left[: version - 1], other, *left[version:]]).ok, version
    # Without a removal, missing data are a change.
    for version in gone & {1, 4}:
        forged = msgspec.structs.replace(left[version - 1], removal=None)
        if any(later > version for later in statements):
            assert not check([*left[: version - 1], forged, *left[version:]]).ok


@pytest.mark.parametrize("first", [2, 3, 4, 5])
async def test_rows_that_were_deleted_are_missed_only_where_some_were(first: int) -> None:
    run = await told()
    checked = verify_run(run[first - 1 :], TRUSTED, rows_deleted=True)
    assert checked.problems == []
    assert (checked.ok, checked.erased) == (True, first - 1)
    assert not check(run[first - 1 :]).ok


async def test_the_envelope_is_in_the_form_of_its_specifications() -> None:
    run = await told()
    assert run[1].event.data is not None
    envelope = json.loads(run[1].event.data)["envelope"]
    assert set(envelope) == {"payloadType", "payload", "signatures"}
    assert envelope["payloadType"] == "application/vnd.in-toto+json"
    [signature] = envelope["signatures"]
    assert set(signature) == {"keyid", "sig"}
    payload = b64decode(envelope["payload"])
    statement = json.loads(payload)
    assert statement["_type"] == "https://in-toto.io/Statement/v1"
    assert set(statement) == {"_type", "subject", "predicateType", "predicate"}
    # The pre-authentication encoding, spelt out as in DSSE's protocol.md.
    message = (
        b"DSSEv1 28 application/vnd.in-toto+json " + str(len(payload)).encode() + b" " + payload
    )
    KEY.public_key().verify(b64decode(signature["sig"]), message)


def changed_text(text: str) -> Iterator[str]:
    for place, character in enumerate(text):
        yield text[:place] + chr(ord(character) ^ 1) + text[place + 1 :]


def changed_bytes(data: bytes) -> Iterator[bytes]:
    for place, byte in enumerate(data):
        yield data[:place] + bytes([byte ^ 1]) + data[place + 1 :]


def changed(value: Any) -> Iterator[Any]:
    """All values that differ from this one in a byte."""
    match value:
        case str():
            yield from changed_text(value)
        case bytes():
            yield from changed_bytes(value)
        case UUID():
            yield from (UUID(bytes=data) for data in changed_bytes(value.bytes))
        case int():
            yield value ^ 1
            yield value ^ 0x20
        case None:
            yield "x"
        case Mapping():
            for name, inner in value.items():
                rest = {other: value[other] for other in value if other != name}
                yield from ({**rest, other: inner} for other in changed_text(name))
                yield from ({**rest, name: other} for other in changed(inner))
        case _:
            raise AssertionError(value)


RESTORED = {"position", "recorded_us", "removal"}
"""What changes when a store is restored or pruned, and so is no part of what was told."""


def changed_events(stored: StoredEvent) -> Iterator[StoredEvent]:
    sealing = stored.event.type == SEALED
    for field in stored.event.__struct_fields__:
        if sealing and field == "time":
            continue  # nothing comes after the seal's event to vouch for it
        for value in changed(getattr(stored.event, field)):
            event = msgspec.structs.replace(stored.event, **{field: value})
            yield msgspec.structs.replace(stored, event=event)
    for field in set(stored.__struct_fields__) - RESTORED - {"event", "origin"}:
        for value in changed(getattr(stored, field)):
            yield msgspec.structs.replace(stored, **{field: value})
    yield msgspec.structs.replace(stored, origin=Origin.RECEIVED)


@pytest.mark.slow
async def test_one_byte_changed_anywhere_is_found_out() -> None:
    run = await told()
    tried = 0
    for index, stored in enumerate(run):
        for altered in changed_events(stored):
            tried += 1
            tampered = [*run[:index], altered, *run[index + 1 :]]
            assert not check(tampered).ok, (index, altered)
    assert tried > sum(len(stored.event.data or b"") for stored in run)


async def test_what_is_missing_doubled_or_moved_is_found_out() -> None:
    run = await told()
    for index in range(len(run)):
        assert not check([*run[:index], *run[index + 1 :]]).ok, index
        assert not check([*run[: index + 1], *run[index:]]).ok, index
    for index in range(len(run) - 1):
        moved = [*run[:index], run[index + 1], run[index], *run[index + 2 :]]
        assert not check(moved).ok, index
    assert "not sealed: no statement covers event 3, 4" in "".join(check(run[:4]).problems)


async def test_a_forger_with_a_key_of_his_own_is_found_out() -> None:
    run = Told()
    forger = Ed25519PrivateKey.generate()
    qlafs = SignedQlafs(cast("EventStore", run), forger)
    run.tell(TYPE.format("completed"), {"code": CODE})
    run.tell(SEALED, await qlafs.seal(SealRequest(closing="x"), run=RUN))
    assert "not trusted" in check(run).problems[0]


@pytest.mark.parametrize("prefix", ["io.quantum-suite", "dev.ntbridge"])
async def test_what_the_bridge_says_about_the_closure_may_follow(prefix: str) -> None:
    run = await told()
    run.tell(f"{prefix}.workflow.completed.v1", {}, "results.workflow.completed")
    assert check(run).ok
    run.tell(TYPE.format("completed"), {})
    assert not check(run).ok


async def test_runs_of_two_namespaces_in_one_stream_are_refused_by_name() -> None:
    run = await told()
    run.tell(TYPE.format("code-generated"), {"code": CODE}, namespace="billing")
    checked = check(run)
    assert not checked.ok
    assert len(checked.problems) == 1
    assert "in several namespaces (billing, n)" in checked.problems[0]


async def test_a_run_that_continues_is_chained_on() -> None:
    run = await told()
    qlafs = SignedQlafs(cast("EventStore", run), KEY)
    run.tell(TYPE.format("completed"), {"code": "again"})
    assert not check(run).ok
    run.tell(SEALED, await qlafs.seal(SealRequest(closing="x"), run=RUN))
    assert check(run).problems == []


def test_nothing_signed_is_neither_right_nor_wrong() -> None:
    run = Told()
    run.tell(TYPE.format("completed"), {})
    assert (check(run).unsigned, check(run).ok) == (True, False)


def test_an_envelope_says_why_it_is_refused() -> None:
    envelope = dsse.sign(b"{}", KEY)
    assert dsse.opened(envelope, TRUSTED) == b"{}"
    for broken, reason in (
        (envelope.model_copy(update={"signatures": ()}), "no signature"),
        (envelope.model_copy(update={"payloadType": "text/plain"}), "type"),
        (envelope.model_copy(update={"payload": "e30"}), "base64"),
        (envelope.model_copy(update={"payload": "e31="}), "not canonical"),
        (envelope.model_copy(update={"payload": "e30K"}), "signature does not"),
    ):
        with pytest.raises(NotGenuineError, match=reason):
            dsse.opened(broken, TRUSTED)


def test_a_key_is_made_once(tmp_path: Path) -> None:
    path = tmp_path / "state" / "qlafs.key"
    with ThreadPoolExecutor(8) as pool:
        keys = list(pool.map(load_or_make, [path] * 8))
    assert len({key_id(key.public_key()) for key in keys}) == 1
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [file.name for file in sorted(path.parent.iterdir())] == ["qlafs.key", "qlafs.pub"]
    assert set(load_public([path.with_suffix(".pub")])) == {key_id(keys[0].public_key())}
    assert load_pem_private_key(path.read_bytes(), None) is not None


def test_what_is_no_key_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "qlafs.key"
    path.write_text("nothing")
    with pytest.raises(InvalidSettingError, match="no key for signing"):
        load_private(path)
    with pytest.raises(InvalidSettingError, match="no key for verification"):
        load_public([path])
    with pytest.raises(FileNotFoundError):
        load_private(tmp_path / "nowhere")


def test_verification_needs_no_loop() -> None:
    """It is pure: a command may call it wherever it likes."""
    assert check(asyncio.run(told())).ok
