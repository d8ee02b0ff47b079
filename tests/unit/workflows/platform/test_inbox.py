"""What the inbox keeps; how a workflow uses it is tested on a real Temporal."""

import logging

import pytest
from temporalio import workflow
from temporalio.api.common.v1 import Payload
from temporalio.common import RawValue
from temporalio.converter import DefaultPayloadConverter

from workflows.messages.envelopes import Envelope
from workflows.platform import inbox
from workflows.platform.inbox import EventInbox
from workflows.platform.inputs import NO_INPUT


@pytest.fixture(autouse=True)
def _outside_a_workflow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workflow, "logger", logging.getLogger("inbox"))


@pytest.fixture
def arriving(monkeypatch: pytest.MonkeyPatch) -> list[Envelope]:
    """What is read from the next arguments, first to last."""
    queue: list[Envelope] = []
    monkeypatch.setattr(inbox, "read_envelopes", lambda _arguments: [queue.pop(0)])
    return queue


def envelope(number: int) -> Envelope:
    return Envelope(specversion="1.0", id=str(number), source="/x", type="t", hops=1)


ARGUMENTS: list[RawValue] = [NO_INPUT]
ATTRIBUTES = {"specversion": "1.0", "id": "a", "source": "/x", "type": "t"}


def test_the_oldest_keys_are_forgotten_first(arriving: list[Envelope]) -> None:
    receiver = EventInbox(remember=2)
    arriving += [envelope(number) for number in (1, 2, 3, 3, 2, 1)]
    duplicates = [receiver.receive("s", ARGUMENTS).duplicate for _ in range(6)]
    assert duplicates == [False, False, False, True, True, False]
    assert len(receiver.state.seen) == 2


def test_what_is_handed_on_is_what_was_there(arriving: list[Envelope]) -> None:
    receiver = EventInbox()
    arriving += [envelope(1), envelope(2)]
    for _ in range(2):
        receiver.receive("s", ARGUMENTS)
    receiver.refuse("bad", ARGUMENTS, "no envelope")
    state = receiver.state
    handed_on = type(state).model_validate(state.model_dump(mode="json"))
    successor = EventInbox(handed_on)
    assert [each.envelope.id for each in successor.waiting] == ["1", "2"]
    assert successor.waiting[0].envelope.extensions == {"hops": 1}
    assert successor.refused == receiver.refused
    arriving.append(envelope(1))
    assert successor.receive("s", ARGUMENTS).duplicate


def test_of_what_was_refused_the_latest_is_kept() -> None:
    receiver = EventInbox()
    for number in range(150):
        receiver.refuse(str(number), ARGUMENTS, "no envelope")
    assert [each.name for each in receiver.refused] == [str(n) for n in range(50, 150)]


def in_one(*members: object) -> list[RawValue]:
    return [RawValue(workflow_payload(list(members)))]


def workflow_payload(value: object) -> Payload:
    return DefaultPayloadConverter().to_payloads([value])[0]


@pytest.fixture
def _converting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workflow, "payload_converter", DefaultPayloadConverter)


@pytest.mark.usefixtures("_converting")
def test_a_batch_is_taken_apart_and_each_event_counts_once() -> None:
    receiver = EventInbox()
    one, two, three = ({**ATTRIBUTES, "id": each, "bridgerequest": each} for each in "abc")
    assert not receiver.receive("s", in_one(one, two)).duplicate
    assert not receiver.receive("s", in_one(two, three)).duplicate
    assert receiver.receive("s", in_one(one, three)).duplicate
    assert [each.envelope.id for each in receiver.waiting] == ["a", "b", "c"]


@pytest.mark.usefixtures("_converting")
def test_a_batch_with_one_bad_element_is_refused_as_a_whole() -> None:
    receiver = EventInbox()
    with pytest.raises(ValueError, match=r"^no envelope: 1\.type: Field required"):
        receiver.receive(
            "s", in_one(ATTRIBUTES, {"specversion": "1.0", "id": "b", "source": "/"})
        )
    with pytest.raises(ValueError, match="the list is empty"):
        receiver.check(in_one())
    assert receiver.waiting == ()
