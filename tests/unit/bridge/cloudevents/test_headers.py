"""One reader of header blocks, and no header that another reader reads differently."""

from email.parser import BytesParser

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nats.aio.client import Client

from bridge.cloudevents.codec import decode
from bridge.cloudevents.headers import Headers, is_read
from bridge.errors import DecodeError
from tests.support.raw_messages import block, ce

_PIECES = (
    *(b"NATS/1.0", b"\r\n", b"\r", b"\n", b":", b" ", b"\t", b"\0", b"\x0b", b"\xff"),
    *(b"ce-id", b"Ce-Id", b"ce-type", b"Content-Type", b"Nats-Msg-Id", b"x", b"traceparent"),
    *(b"1.0", b"42", b" 100 Idle", b"\xc3\xbc", b"\xef\xbb\xbf", b"\xc2\xa0", b"\x7f", b"\x85"),
)
_TORN = st.lists(st.sampled_from(_PIECES), max_size=14).map(b"".join)
_NAMES = st.text(
    st.characters(min_codepoint=0x21, max_codepoint=0x7E, exclude_characters=":"), min_size=1
)
_VALUES = st.text(st.characters(exclude_categories=["Cc", "Cs"])).map(lambda v: v.strip(" \t"))


def by_nats_py(raw: bytes) -> dict[str, str]:
    """As nats-py reads a delivery: lines without a colon are dropped, the last one wins."""
    read = Client._parse_header_lines(raw.partition(b"\r\n")[2])  # noqa: SLF001 - to compare
    return {name.lower(): value for name, value in read.items()}


def by_email(raw: bytes) -> dict[str, str]:
    """As nats-py reads a message fetched by its sequence: lines are unfolded."""
    read = BytesParser().parsebytes(raw.partition(b"\r\n")[2])
    return {name.lower(): str(value).strip(" \t") for name, value in read.items()}


def by_first(raw: bytes) -> dict[str, str]:
    """As Go's client reads: a bare line feed ends a line, the first one wins."""
    found: dict[str, str] = {}
    for line in raw.decode("latin-1").replace("\r\n", "\n").split("\n")[1:]:
        if not line:
            break
        name, _, value = line.partition(":")
        found.setdefault(name.strip().lower(), value.strip(" \t\r"))
    return found


@settings(max_examples=400)
@given(_TORN | _TORN.map(lambda lines: b"NATS/1.0\r\n" + lines + b"\r\n\r\n"))
def test_a_header_that_is_given_out_is_read_alike_by_every_reader(raw: bytes) -> None:
    headers = Headers.read(raw)
    assert headers.block == raw
    if headers.fault is not None:
        with pytest.raises(DecodeError):
            decode(headers, b"{}")
        return
    for name, value in headers.items():
        if value.isascii():
            for reader in (by_nats_py, by_email, by_first):
                assert reader(raw)[name.lower()] == value, reader.__name__
    for reader in (by_nats_py, by_email, by_first):
        left_out = {name for name in reader(raw) if is_read(name)}
        left_out -= {name.lower() for name in headers}
        assert not left_out, reader.__name__


@given(st.lists(st.tuples(_NAMES, _VALUES), unique_by=lambda pair: pair[0].lower()))
def test_what_a_client_sends_is_read_back(pairs: list[tuple[str, str]]) -> None:
    sent = [(name, value.removeprefix("\ufeff").strip(" \t")) for name, value in pairs]
    raw = block(*(f"{name}: {value}".encode() for name, value in sent))
    headers = Headers.read(raw)
    assert headers.fault is None
    assert dict(headers) == dict(sent)
    assert Headers.of(dict(sent)) == headers


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (ce(b"K\xffse"), "'ce-id' holds bytes that are not UTF-8"),
        (ce(b"1", b"ce-subject: \xef\xbb\xbfx"), "'ce-subject' begins with a byte order mark"),
        (ce(b"1", b"ce-id: 2"), "'ce-id' is given twice"),
        (ce(b"1", b"Ce-Id: 2"), "'Ce-Id' is given twice"),
        (ce(b"1", b"Nats-Msg-Id: a", b"nats-msg-id: b"), "'nats-msg-id' is given twice"),
        (ce(b"1", b"Content-Type: text/plain", b"content-type: x/y"), "given twice"),
        (ce(b"1", b" ce-id: 2"), "line 5 .* folded"),
        (ce(b"1", b"\tfolded"), "line 5 .* folded"),
        (ce(b"1\nce-id: 2"), "line 4 .* control character"),
        (ce(b"1\rce-id: 2"), "line 4 .* control character"),
        (ce(b"1", b"ce-subject: a\0b"), "line 5 .* control character"),
        (ce(b"1", b"ce-subject: a\x0bce-id: 2"), "line 5 .* control character"),
        (ce(b"1", b"no colon"), "line 5 .* no colon"),
        (ce(b"1", b"ce-id : 2"), "line 5 .* a name"),
        (ce(b"1", b"\xef\xbb\xbfce-subject: x"), "line 5 .* a name"),
        (ce(b"1", b"ce-gr\xc3\xb6\xc3\x9fe: x"), "line 5 .* a name"),
        (ce(b"1", b"", b"ce-subject: x"), "line 5 .* empty"),
        (ce(b"1")[:-2], "does not end with an empty line"),
        (ce(b"1").replace(b"1.0\r\n", b"1.0 100 Idle Heartbeat\r\n", 1), "inline status"),
        (b"\r\n\r\n", "begins with '' instead"),
        (b"NATS/2.0\r\n\r\n", "begins with 'NATS/2.0' instead"),
    ],
)
def test_what_could_be_read_in_two_ways_is_a_fault(raw: bytes, reason: str) -> None:
    headers = Headers.read(raw)
    with pytest.raises(DecodeError, match=reason) as refusal:
        decode(headers, b"")
    assert refusal.value.code == "header"


@pytest.mark.parametrize(
    "line",
    [
        b"X-Note: caf\xe9",
        b"X-Note: a\r\nX-Note: b",
        b"x-note: a\r\nX-Note: b",
        b"Nats-Stream: ONE\r\nNats-Sequence: 1\r\nNats-Stream: TWO\r\nNats-Sequence: 9",
        b"traceparent: a\r\nTraceparent: b",
        b"tracestate: \xff",
    ],
)
def test_what_the_bridge_does_not_decide_by_costs_no_event(line: bytes) -> None:
    headers = Headers.read(ce(b"1", line))
    assert decode(headers, b"").id == "1"
    left_out = {"x-note", "nats-stream", "nats-sequence", "traceparent", "tracestate"}
    assert not left_out & {name.lower() for name in headers}


def test_raw_utf_8_and_a_value_that_is_repeated_are_read_in_one_way() -> None:
    headers = Headers.read(ce("Zürich".encode(), b"Ce-Source: /sources", b"X-Note: a"))
    event = decode(headers, b"")
    assert (event.id, event.source) == ("Zürich", "/sources")


def test_a_status_is_read_of_a_servers_own_messages_alone() -> None:
    raw = b"NATS/1.0 409 Message Size Exceeds MaxBytes\r\nNats-Pending-Messages: 1\r\n\r\n"
    assert Headers.read_reply(raw) == {
        "Nats-Pending-Messages": "1",
        "Status": "409",
        "Description": "Message Size Exceeds MaxBytes",
    }
    assert Headers.read_reply(b"NATS/1.0 503\r\n\r\n") == {"Status": "503"}
    assert Headers.read(raw) == {}
