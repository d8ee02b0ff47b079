"""Messages that client libraries read differently, or cannot read at all, through intake."""

from base64 import b64decode
from email.parser import BytesParser

import pytest
from nats.aio.client import Client
from nats.js.api import RePublish

from bridge.cloudevents.headers import Headers
from bridge.dead_letters.store import DeadLetters, LetterFilter, WholeLetter
from bridge.evaluation import Evaluator
from bridge.history.redrive import Redriver
from bridge.jetstream.connection import NatsConnection, connect_once
from bridge.jetstream.reader import StreamReader
from bridge.jetstream.subjects import subject_bytes
from bridge.relay.late import LateRelay
from bridge.results.events import Results
from bridge.routes.table import RouteTable
from bridge.settings.schema import NatsSettings, SourceSettings
from eventstore.database import Database
from eventstore.store import EventStore
from tests.support.intakes import intake, recorded
from tests.support.raw_messages import block, ce, publish
from tests.support.sources import SUBJECT, Stream

pytestmark = pytest.mark.slow

WHOLE = SourceSettings()
TWINS = b'{"specversion":"1.0","id":"t","source":"/s","type":"a.b","data":{"k":1,"k":2}}'
ENVELOPE = b'{"specversion":"1.0","id":"e","id":"f","source":"/s","type":"a.b"}'

SET_ASIDE: dict[str, tuple[bytes, bytes, bytes, str]] = {
    "id is no UTF-8": (b"", ce(b"K\xffse"), b"1", "header"),
    "id given twice": (b"", ce(b"a", b"ce-id: b"), b"1", "header"),
    "id in two spellings": (b"", ce(b"a", b"Ce-Id: b"), b"1", "header"),
    "folded line": (b"", ce(b"a", b" ce-id: b"), b"1", "header"),
    "NUL": (b"", ce(b"a\0"), b"1", "header"),
    "byte order mark": (b"", block(b"\xef\xbb\xbfce-id: a"), b"1", "header"),
    "bare line feed": (b"", ce(b"a\nce-id: b"), b"1", "header"),
    "no end": (b"", b"NATS/1.0\r\nce-id: a", b"1", "header"),
    "no header block": (b"", b"\xff\xfe\0\r\n\r\n", b"1", "header"),
    "subject is no UTF-8": (b".\xff", ce(b"a"), b"1", "subject"),
    "subject with VT": (b".a\x0bb", ce(b"a"), b"1", "subject"),
    "subject with FF": (b".\x0c", ce(b"a"), b"1", "subject"),
    "subject with NUL": (b".\0", ce(b"a"), b"1", "subject"),
    "names twice in data": (b"", b"", TWINS, "twins"),
    "names twice in the envelope": (b"", b"", ENVELOPE, "json"),
}


@pytest.fixture(autouse=True)
def one_reader(monkeypatch: pytest.MonkeyPatch) -> None:
    """No path of the bridge reads headers by nats-py's parsers."""

    def refuse(*_: object) -> dict[str, str]:
        raise AssertionError("nats-py's own parsers of headers are not to be used")

    monkeypatch.setattr(Client, "_parse_header_lines", staticmethod(refuse))
    monkeypatch.setattr(BytesParser, "parsebytes", refuse)


async def letters(database: Database) -> list[WholeLetter]:
    kept = DeadLetters(database)
    found = sorted(await kept.find(LetterFilter(), 100), key=lambda letter: letter.id)
    whole = [await kept.get(letter.id) for letter in found]
    return [letter for letter in whole if letter is not None]


async def test_a_message_that_can_be_read_in_two_ways_is_kept_whole_and_stops_nothing(
    connection: NatsConnection, stream: Stream, database: Database
) -> None:
    subject = stream.nats.subject(SUBJECT).encode()
    messages = [
        (subject + more, headers, payload) for more, headers, payload, _ in SET_ASIDE.values()
    ]
    good = [(subject, ce(b"%d" % number), b"%d" % number) for number in range(3)]
    await publish(stream.nats.url, good[0], *messages[:8], good[1], *messages[8:], good[2])
    async with intake(connection, stream, database, WHOLE, batch=4):
        await recorded(database, 0, 1, 2)
    found = await letters(database)
    assert [letter.code for letter in found] == [code for *_, code in SET_ASIDE.values()]
    topic = SUBJECT.encode()
    for letter, (more, headers, payload, _) in zip(found, SET_ASIDE.values(), strict=True):
        assert (letter.payload or b"") == payload
        assert letter.headers is not None
        assert letter.headers.block == headers
        assert (letter.subject or (letter.topic or "").encode()) == topic + more
        assert letter.reason


@pytest.mark.parametrize("last", ["utf-8", "set aside", "subject"])
async def test_intake_attaches_again_whatever_the_last_recorded_message_is(
    connection: NatsConnection, stream: Stream, database: Database, last: str
) -> None:
    subject = stream.nats.subject(SUBJECT).encode()
    messages = {
        "utf-8": (subject, ce(b"1", "ce-subject: Zürich".encode()), b"1"),
        "set aside": (subject, ce(b"\xff"), b"1"),
        "subject": (subject + b".\xff\x0b", ce(b"9"), b"1"),
    }
    await publish(stream.nats.url, (subject, ce(b"0"), b"0"), messages[last])
    first = (0, 1) if last == "utf-8" else (0,)
    async with intake(connection, stream, database, WHOLE):
        await recorded(database, *first)
    async with intake(connection, stream, database, WHOLE):
        await publish(stream.nats.url, (subject, ce(b"2"), b"2"))
        await recorded(database, *first, 2)


async def test_a_message_that_was_republished_twice_is_read(
    connection: NatsConnection, stream: Stream, database: Database
) -> None:
    js, prefix = stream.client.jetstream(), stream.nats.prefix
    for name, into in (("one", f"{prefix}.two"), ("two", stream.nats.subject(SUBJECT))):
        source = f"{prefix}.{name}"
        await js.add_stream(
            name=f"{prefix}-{name}", subjects=[source], republish=RePublish(source, into)
        )
    await publish(stream.nats.url, (f"{prefix}.one".encode(), ce(b"0"), b"0"))
    async with intake(connection, stream, database, WHOLE):
        await recorded(database, 0)


async def test_two_ids_of_other_bytes_are_two_letters_and_never_one_event(
    connection: NatsConnection, stream: Stream, database: Database
) -> None:
    subject = stream.nats.subject(SUBJECT).encode()
    await publish(
        stream.nats.url,
        (subject, ce(b"K\xe4se"), b"1"),
        (subject, ce(b"K\xf6se"), b"1"),
        (subject, ce(b"0"), b"0"),
    )
    async with intake(connection, stream, database, WHOLE):
        await recorded(database, 0)
    assert [letter.event_id for letter in await letters(database)] == ["K\ufffdse"] * 2


async def test_a_redrive_reads_the_same_bytes_and_gives_the_same_verdict(
    connection: NatsConnection, stream: Stream, database: Database
) -> None:
    subject = stream.nats.subject(SUBJECT).encode()
    bad = [(subject + more, head, data) for more, head, data, _ in SET_ASIDE.values()]
    await publish(stream.nats.url, *bad, (subject, ce(b"0"), b"0"))
    async with intake(connection, stream, database, WHOLE):
        await recorded(database, 0)
    store = EventStore(database)
    async with LateRelay(database, store, stream.nats) as late:
        redriver = Redriver(
            database, store, RouteTable([]), Evaluator(), max_hops=8, late=late, who="the test"
        )
        for letter in await letters(database):
            redriven = await redriver.redrive(letter.id)
            assert redriven.outcome == "left-open"
            assert redriven.detail == f"{letter.code}: {letter.reason}"


async def test_every_reader_of_a_stream_gets_past_such_messages(
    settings: NatsSettings, stream: Stream
) -> None:
    subject = stream.nats.subject("results.foreign.happened").encode()
    js = stream.client.jetstream()
    await js.update_stream(
        name=stream.name,
        subjects=[stream.nats.subject("events.>"), stream.nats.subject("results.>")],
    )
    odd = [(subject + more, head, data) for more, head, data, _ in SET_ASIDE.values()]
    whole = (subject, ce(b"1", "ce-subject: Zürich".encode(), b"Status: 100"), b"")
    client = await connect_once(settings, "the test")
    try:
        results = Results(client, settings, "EVENTS")
        live = await results.open()
        await publish(settings.url, *odd, whole)
        result = await anext(live)
        assert (result.event.id, result.event.subject) == ("1", "Zürich")
        await live.aclose()
        last = len(odd) + 1
        read = [
            (subject_bytes(message.subject), Headers.of(message.headers).block)
            async for _, message in StreamReader(client, stream.name).read(through=last)
        ]
        assert read == [(where, head) for where, head, _ in (*odd, whole)]
        for sequence, (_, head, data) in enumerate((*odd, whole), start=1):
            message = await client.jetstream().get_msg(stream.name, sequence)
            assert Headers.of(message.headers).block == head
            assert (message.data or b"") == data
            assert b64decode(message.hdrs or b"") == head
    finally:
        await client.close()
