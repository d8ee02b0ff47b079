"""Every case of the corpus has the verdict that its file states."""

import pytest

from bridge.cloudevents.codec import decode, from_json, to_json
from bridge.errors import DecodeError
from tests.contract.cloudevents import corpus
from tests.contract.cloudevents.corpus import Case

CASES = corpus.load()
ACCEPTED = [case for case in CASES if case.event is not None]
REFUSED = [case for case in CASES if case.refused is not None]


def named(case: Case) -> str:
    return case.name


@pytest.mark.parametrize("case", ACCEPTED, ids=named)
def test_accepted(case: Case) -> None:
    assert decode(case.headers, case.payload) == case.event


@pytest.mark.parametrize("case", REFUSED, ids=named)
def test_refused(case: Case) -> None:
    with pytest.raises(DecodeError) as refusal:
        decode(case.headers, case.payload)
    assert refusal.value.code == case.refused, str(refusal.value)
    assert str(refusal.value).isprintable() or case.name.endswith("line-feed")


@pytest.mark.parametrize("case", ACCEPTED, ids=named)
def test_accepted_is_passed_on_as_the_same_event(case: Case) -> None:
    event = case.event
    assert event is not None
    again = from_json(to_json(event))
    assert again.digest == event.digest
    assert again.uid == event.uid


def test_the_corpus_is_as_large_as_it_was() -> None:
    # A glob that finds nothing would pass everything.
    assert len(ACCEPTED) >= 130
    assert len(REFUSED) >= 200
