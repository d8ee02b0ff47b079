"""`events ls`, `pause` and `resume`, and what `events publish` says of an event that nothing wants."""

import asyncio
import json
from pathlib import Path

import pytest

from bridge.cli.events.reach import unreached
from bridge.cli.main import _run
from bridge.pauses import Pauses
from bridge.settings.schema import NatsSettings, Settings
from eventstore.database import Database
from eventstore.events import Event
from eventstore.store import EventStore
from tests.support.cli import Done
from tests.support.past import recorded

ROUTES = """
routes:
  - name: orders
    from: events.shop.ordered
    when: data.total > 5.0
    start: {workflow: Order, task_queue: q}
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, migrated_database_url: str) -> Path:
    """A folder with a routes file, in which commands find the database and no other server."""
    (tmp_path / "routes.yaml").write_text(ROUTES)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DATABASE_URL", migrated_database_url)
    monkeypatch.setenv("NATS_URL", "nats://127.0.0.1:1")
    monkeypatch.setenv("TEMPORAL_ADDRESS", "127.0.0.1:1")
    return tmp_path


async def run(capsys: pytest.CaptureFixture[str], *words: str) -> Done:
    code = await asyncio.to_thread(_run, words)
    return Done(code, *capsys.readouterr())


@pytest.mark.usefixtures("folder")
async def test_events_are_listed_by_what_is_known_of_them(
    store: EventStore, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in range(3):
        await recorded(store, f"e-{number}", {"total": number}, subject=f"order-{number % 2}")

    async def listed(*words: str) -> list[str]:
        done = await run(capsys, "events", "ls", *words, "-o", "json")
        assert done.code == 0, done.err
        return [row["id"] for row in json.loads(done.out)]

    assert await listed() == ["e-2", "e-1", "e-0"]
    assert await listed("--subject", "order-0", "--type", "io.example.*") == ["e-2", "e-0"]
    assert await listed("--where", "data.total < 1.5", "--since", "1h") == ["e-1", "e-0"]
    cut = await run(capsys, "events", "ls", "--limit", "1", "-o", "table")
    assert cut.out.splitlines()[1].split()[-2:] == ["e-2", "order-0"]
    assert "for older ones: --before 3" in cut.err
    assert await listed("--before", "3") == ["e-1", "e-0"]
    wrong = await run(capsys, "events", "ls", "--where", "data.total +")
    assert (wrong.code, "--where: " in wrong.err) == (2, True)


@pytest.mark.usefixtures("folder")
async def test_routes_and_sources_are_paused_by_name_and_shown_as_paused(
    database: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    paused = await run(capsys, "pause", "route", "orders", "--why", "stock-taking")
    assert (paused.code, "'ntbridge resume route orders' ends it" in paused.err) == (0, True)
    again = await run(capsys, "pause", "route", "orders")
    assert "route orders is paused since 20" in again.err
    assert (await run(capsys, "pause", "source", "EVENTS")).code == 0
    held = await Pauses(database).held()
    assert (list(held.sources), list(held.routes)) == (["EVENTS/ntbridge"], ["orders"])

    listed = json.loads((await run(capsys, "pause", "-o", "json")).out)
    assert [(each["kind"], each["reason"]) for each in listed] == [
        ("source", ""),
        ("route", "stock-taking"),
    ]
    [route] = (await run(capsys, "routes", "ls", "-o", "ndjson")).rows
    assert route["paused"]["reason"] == "stock-taking"
    [source] = (await run(capsys, "sources", "ls", "-o", "ndjson")).rows
    assert source["paused"]["name"] == "EVENTS/ntbridge"

    unknown = await run(capsys, "pause", "route", "order")
    assert (unknown.code, "there is no route 'order'; there are: orders" in unknown.err) == (
        2,
        True,
    )
    nameless = await run(capsys, "pause", "source")
    assert (nameless.code, "NAME of the source" in nameless.err) == (2, True)
    assert (await run(capsys, "resume", "source", "EVENTS")).code == 0
    done = await run(capsys, "resume", "source", "EVENTS")
    assert (done.code, "was not paused" in done.err) == (1, True)
    assert (await run(capsys, "resume", "route", "orders")).code == 0
    assert (await Pauses(database).held()).all == []


async def test_an_event_that_nothing_wants_is_noticed(folder: Path) -> None:
    settings = Settings(nats=NatsSettings(), routes=folder / "routes.yaml")

    async def why(
        total: int, topic: str = "events.shop.ordered", stream: str = "EVENTS"
    ) -> str:
        event = Event(
            id="1", source="/shop", type="io.example.shop.ordered.v1",
            data=json.dumps({"total": total}).encode(),
        )  # fmt: skip
        return await unreached(settings, event, topic, stream) or ""

    assert await why(9) == ""
    assert (await why(1)).startswith("no route matches the event")
    assert (await why(9, "events.other")).startswith("no route matches the event")
    assert (await why(9, stream="ORDERS")).startswith("no source reads the subject")
    nowhere = settings.model_copy(update={"routes": folder / "none.yaml"})
    event = Event(id="1", source="/shop", type="a.b.c", data=b"{}")
    assert await unreached(nowhere, event, "events.b.c", "EVENTS") is None
