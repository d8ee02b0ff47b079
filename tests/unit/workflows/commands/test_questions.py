"""Questions, as the events of a stream tell of them."""

from datetime import UTC, datetime
from uuid import UUID

import msgspec

from bridge.runtime import event_types
from eventstore.events import Event, Origin, StoredEvent, microseconds
from workflows.commands.questions import read
from workflows.messages.approvals import Asked

ABOUT = "io.quantum-suite.infra.approval"
NOW = datetime(2026, 5, 1, tzinfo=UTC)
ASKED = Asked(
    request="r",
    workflow_id="w",
    question="may it go on?",
    may_answer=("alice",),
    until=NOW,
    answer_with="io.example.answered.v1",
)


def stored(event_type: str, topic: str, namespace: str, data: bytes = b"{}") -> StoredEvent:
    event = Event(id="1", source=f"/temporal/{namespace}/W", type=event_type, data=data)
    return StoredEvent(
        event=event,
        uid=event.uid,
        stream="run-w",
        version=1,
        position=1,
        recorded_us=microseconds(NOW),
        origin=Origin.EMITTED,
        topic=topic,
        correlation_id="c",
        correlation_uid=UUID(int=1),
        causation_id=None,
        causation_uid=None,
        tenant=None,
        schema_version=1,
    )


def test_the_end_of_a_run_in_another_namespace_ends_no_question() -> None:
    data = msgspec.json.encode(ASKED.model_dump(mode="json"))
    asking = read(stored(f"{ABOUT}-requested.v1", "results.infra.asked", "n", data), ABOUT)
    assert asking is not None
    assert asking.namespace == "n"
    ended = f"{event_types.DEFAULT_PREFIX}.workflow.failed.v1"
    asking.heed(stored(ended, "results.workflow.failed", "billing"))
    assert asking.state == "open"
    asking.heed(stored(ended, "results.workflow.failed", "n"))
    assert asking.state == "ended"
