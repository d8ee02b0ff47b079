"""Every table, tail and explain in a terminal, over texts that terminals and markup act upon.

A store is seeded once with events, dispatches, dead letters and a question that hold each of the texts
wherever they can stand; then each command is run in a pseudo-terminal of 80 columns.
"""

import asyncio
import json
import re
import sys
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from bridge.sql.storage import open_store
from eventstore.database import Database
from eventstore.errors import EventStoreError
from eventstore.events import Event, NewEvent, Origin
from eventstore.store import EventStore
from tests.support.daemon import Bridge
from tests.support.hostile import ACTED_UPON, HOSTILE
from tests.support.pseudo_terminal import Seen, in_terminal

pytestmark = pytest.mark.slow

TEXTS = {name: text for name, text in HOSTILE.items() if name != "lone surrogate"}
"""Postgres holds no lone surrogates."""
ALL = "".join(text for name, text in TEXTS.items() if not name.startswith("long"))
LAST = "the-last-one"
_MAX_EXPRESSION = 600
TYPE = "io.example.hostile.shown.v1"
ASKED = "io.quantum-suite.infra.approval-requested.v1"


async def seed(bridge: Bridge) -> UUID:
    """Fill the store; the uid of an event that holds all texts."""
    async with open_store(bridge.settings, "seed") as (database, store):
        kept, uid = 0, None
        for number, (name, text) in enumerate({**TEXTS, "all": ALL, LAST: LAST}.items()):
            event, as_text = await store_event(store, number, name, text)
            kept, uid = kept + as_text, uid if name == LAST else event.uid
            await store_account(database, event, text or "-", number)
        await store_question(store)
    # What CloudEvents forbids in an attribute stands in the data alone.
    assert kept > len(TEXTS) / 3
    assert uid is not None
    return uid


async def store_event(
    store: EventStore, number: int, name: str, text: str
) -> tuple[Event, bool]:
    plain = Event(
        id=f"{name}-{number}",
        source="/hostile",
        type=TYPE,
        datacontenttype="application/json",
        data=json.dumps({"text": text}, ensure_ascii=False).encode(),
    )
    whole = Event(
        id=text or name,
        source=f"/{text}",
        type=TYPE,
        subject=text or None,
        datacontenttype=plain.datacontenttype,
        data=plain.data,
        extensions={"correlationid": text or name, "note": text},
    )
    for event in (whole, plain):
        new = NewEvent(event=event, origin=Origin.EMITTED, topic=f"results.{text}"[:200])
        try:
            await store.append(f"run-{number}", [new])
        except EventStoreError:
            continue
        return event, event is whole
    raise AssertionError(f"not even {name!r} as data can be stored")


async def store_account(database: Database, event: Event, text: str, number: int) -> None:
    await database.execute(
        "insert into dispatches (uid, position, route, route_digest, operation, key, target,"
        " request_id, call, partition, state, error) values ($1, $2, $3, '', 'start', $3, $3, $4, '{}', 0,"
        " 'open', $3)",
        event.uid,
        number + 1,
        text,
        uuid4(),
    )
    await database.execute(
        "insert into dead_letters (stage, code, reason, route, uid, stream, stream_created,"
        " sequence, topic, headers, payload, traceback) values ('intake', $1, $1, $1, $2, $1,"
        " now(), $3, $1, $4, $5, $1)",
        text,
        event.uid,
        number + 1,
        f"NATS/1.0\r\nNote: {text}\r\n\r\n".encode(),
        text.encode(),
    )


async def store_question(store: EventStore) -> None:
    asked = {
        "request": ALL,
        "workflow_id": ALL,
        "question": ALL,
        "details": {ALL: ALL},
        "may_answer": [ALL],
        "until": (datetime.now(UTC) + timedelta(hours=1)).isoformat(),
        "answer_with": "io.quantum-suite.infra.approval-confirmed.v1",
    }
    event = Event(
        id="asked",
        source="/hostile",
        type=ASKED,
        datacontenttype="application/json",
        data=json.dumps(asked, ensure_ascii=False).encode(),
    )
    await store.append(
        "run-asks", [NewEvent(event=event, origin=Origin.EMITTED, topic="results.infra.asked")]
    )


def write_routes(bridge: Bridge) -> None:
    """Routes that hold the texts, as far as a YAML file can."""
    routes = [
        {
            "name": f"route-{number}",
            "from": "events.>",
            "type": text,
            "extensions": {"note": text},
            "only": [text],
            "start": {
                "workflow": text,
                "task_queue": "q",
                "id": json.dumps(text, ensure_ascii=False),
            },
        }
        for number, text in enumerate(filter(None, TEXTS.values()))
        if len(text) < _MAX_EXPRESSION
    ]
    # JSON is YAML, and writes every text.
    bridge.routes_file.write_text(json.dumps({"routes": routes}))


EVENT = json.dumps({"id": ALL, "source": "/s", "type": "a.b.c", "data": ALL})

COMMANDS: list[tuple[str, dict[str, Any]]] = [
    ("dead-letters ls", {}),
    ("dead-letters ls --summary", {}),
    (f"dead-letters show {len(TEXTS) + 1}", {}),
    (f"dead-letters show {len(TEXTS) + 1} -o json", {}),
    (f"dead-letters show {len(TEXTS) + 1} --raw", {"code": 2}),
    ("dead-letters redrive --all --dry-run", {"code": None}),
    ("dead-letters drop --all --why x", {"answer": "\x1b[A", "code": 1}),
    ("dispatches ls", {}),
    ("events tail --no-follow -o ndjson", {}),
    ("events tail --since 1h", {"until": LAST, "code": None}),
    ("explain UID", {}),
    ("explain TEXT", {"code": None}),
    ("trace UID", {}),
    ("status", {"code": None}),
    ("events ls", {}),
    ("results watch --since 1h", {"until": LAST, "code": None}),
    ("routes ls", {}),
    ("routes lint", {"code": None}),
    ("routes explain --topic events.a -f event.json", {"code": None}),
    ("replay", {}),
    ("verify", {"code": None}),
    ("doctor", {"code": None}),
    ("approvals ls", {}),
    ("approvals show NUMBER", {}),
    ("provenance show TEXT", {"code": None}),
    ("TEXT", {"code": 2}),
    ("events publish TEXT", {"code": 1}),
    ("routes lint --routes TEXT", {"code": None}),
]


@pytest.mark.timeout(600)  # some two dozen commands, two at a time
async def test_every_view_shows_texts_and_acts_upon_none(bridge: Bridge) -> None:
    uid = await seed(bridge)
    write_routes(bridge)
    (bridge.folder / "event.json").write_text(EVENT)
    # Without colours of our own, every escape sequence is somebody else's.
    env = {**bridge.environment, "TERM": "dumb", "NTBRIDGE_LOG__LEVEL": "error"}
    two = asyncio.Semaphore(2)

    async def seen(line: str, how: dict[str, Any]) -> tuple[str, Seen, dict[str, Any]]:
        words = [
            {
                "TEXT": ALL[:400].replace("\0", ""),
                "UID": str(uid),
                "NUMBER": str(len(TEXTS) + 3),
            }.get(word, word)
            for word in line.split()
        ]
        command = [sys.executable, "-m", "bridge", *words]
        more = {name: how[name] for name in ("answer", "until") if name in how}
        async with two:
            return line, await in_terminal(command, bridge.folder, env, **more), how

    for line, screen, how in await asyncio.gather(*(seen(*each) for each in COMMANDS)):
        check(line, screen, how)


def check(line: str, seen: Seen, how: dict[str, Any]) -> None:
    code = how.get("code", 0)
    assert code is None or seen.code == code, (line, seen.code, seen.screen[-2000:])
    assert seen.code in (0, 1, 2, 3, 4, 130), (line, seen.code, seen.screen[-2000:])
    assert "Traceback" not in seen.screen, (line, seen.screen[-4000:])
    # The terminal's own line breaks, and its echo of what is typed.
    text = seen.screen.replace("\r\n", "").replace("^[[A", "")
    text = re.sub(r"\r|\x1b\[\?25[hl]", "", text) if "\x1b[?25" in text else text
    assert not ACTED_UPON & set(text), (line, sorted(map(ascii, ACTED_UPON & set(text))))
    assert "✨" not in text, line


async def test_colours_are_ours_alone(bridge: Bridge) -> None:
    uid = await seed(bridge)
    env = {**bridge.environment, "TERM": "xterm-256color", "NTBRIDGE_LOG__LEVEL": "error"}
    for words in (
        ["events", "explain", str(uid)],
        ["dead-letters", "ls"],
        ["dispatches", "ls"],
    ):
        seen = await in_terminal([sys.executable, "-m", "bridge", *words], bridge.folder, env)
        assert seen.code == 0, seen.screen
        ours = re.sub(r"\x1b\[[0-9;]*m", "", seen.screen)
        assert "\x1b" not in ours
        assert "\x9b" not in ours
