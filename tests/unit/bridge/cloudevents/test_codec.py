"""What the codec promises besides reading messages, which the corpus under contract/ shows."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.cloudevents.codec import attributes, decode, encode, from_json, to_json
from bridge.errors import BridgeError, DecodeError, EncodeError
from eventstore.events import Event
from eventstore.json_data import MAX_NESTING

LEAST = Event(id="42", source="/shop", type="com.example.placed")


def event(**changes: Any) -> Event:
    return Event(id="42", source="/shop", type="com.example.placed", **changes)


def test_structured_mode_is_what_we_send() -> None:
    headers, payload = encode(event(data=b'{ "n" : 1.0 }', extensions={"hops": 2}))
    assert headers == {"Content-Type": "application/cloudevents+json"}
    assert payload == (
        b'{"specversion":"1.0","id":"42","source":"/shop","type":"com.example.placed",'
        b'"hops":2,"data":{"n":1.0}}'
    )


@pytest.mark.parametrize("mode", ["structured", "binary"])
def test_what_the_store_cannot_keep_is_refused_when_it_is_read(mode: str) -> None:
    kind = "io.example." + "x" * 2000
    if mode == "binary":
        headers = {"ce-specversion": "1.0", "ce-id": "1", "ce-source": "/s", "ce-type": kind}
        payload = b"1"
    else:
        headers = {}
        payload = msgspec.json.encode(
            {"specversion": "1.0", "id": "1", "source": "/s", "type": kind}
        )
    with pytest.raises(DecodeError, match="1 to 2000 bytes") as refusal:
        decode(headers, payload)
    assert refusal.value.code == "not-storable"


def test_bytes_are_sent_in_base64() -> None:
    sent = to_json(event(data=b"\xff", datacontenttype="image/png"))
    assert b'"data_base64":"/w=="' in sent


def test_attributes_are_those_that_are_set() -> None:
    assert attributes(event(subject="x", extensions={"ext": ""}, data=b"1")) == {
        "id": "42",
        "source": "/shop",
        "type": "com.example.placed",
        "subject": "x",
        "ext": "",
    }


@pytest.mark.parametrize(
    "unsendable",
    [
        event(data=b"hello"),
        event(data=b""),
        event(data=b'"\xff"'),
        event(data=b"NaN"),
        event(data=b"1 2", datacontenttype="application/json"),
        event(data=b"[" * 5000 + b"]" * 5000),
        event(subject="\ud800"),
        event(extensions={"ext": "\udce9"}),
    ],
    ids=["no JSON", "empty", "no UTF-8", "NaN", "two", "deep", "surrogate", "extension"],
)
def test_what_cannot_be_sent_is_an_encode_error(unsendable: Event) -> None:
    with pytest.raises(EncodeError):
        to_json(unsendable)


def deeper(levels: int, what: Callable[[], Any]) -> Any:
    """Call from further down the stack."""
    return what() if levels == 0 else deeper(levels - 1, what)


@pytest.mark.parametrize("levels", [0, 400])
def test_the_verdict_does_not_depend_on_who_asks(levels: int) -> None:
    def document(depth: int) -> bytes:
        return to_json(LEAST)[:-1] + b',"data":' + b"[" * depth + b"]" * depth + b"}"

    read = deeper(levels, lambda: from_json(document(MAX_NESTING)))
    assert deeper(levels, lambda: read.digest)
    assert deeper(levels, lambda: from_json(to_json(read))) == read
    with pytest.raises(DecodeError) as refusal:
        deeper(levels, lambda: from_json(document(MAX_NESTING + 1)))
    assert refusal.value.code == "nesting"


@given(st.integers(MAX_NESTING - 3, MAX_NESTING + 3), st.data())
def test_depth_is_counted_whatever_the_strings_hold(depth: int, data: st.DataObject) -> None:
    misleading = st.text('[]{}"\\,', max_size=6)
    value: Any = []
    for _ in range(depth - 1):
        text = data.draw(misleading)
        value = data.draw(st.sampled_from([[text, value, text], {text: value}, [[], value]]))
    headers = {f"ce-{name}": str(text) for name, text in attributes(LEAST).items()}
    message = {**headers, "ce-specversion": "1.0"}, msgspec.json.encode(value)
    if depth <= MAX_NESTING:
        assert decode(*message).data == message[1]
        return
    with pytest.raises(DecodeError) as refusal:
        decode(*message)
    assert refusal.value.code == "nesting"


def test_a_refusal_tells_a_publisher_what_to_send() -> None:
    with pytest.raises(DecodeError, match="needs Content-Type 'application/cloudevents"):
        decode({"Content-Type": "application/json"}, b"{}")


def test_refusals_belong_to_the_one_tree() -> None:
    assert issubclass(DecodeError, BridgeError)
    assert issubclass(EncodeError, BridgeError)
