"""Data that an event names are fetched from real servers: bounded, without redirects, faults told apart."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from bridge.dispatch.dataref import DatarefReader
from bridge.operations.calls import CallError
from bridge.operations.outcomes import classify
from bridge.settings.dataref import DatarefSettings
from eventstore.events import Event, StoredEvent
from tests.support.operations import dispatch_of, event_of, stored
from tests.support.waiting import eventually

START = {"start": {"workflow": "Ship", "task_queue": "q"}, "dataref": "fetch"}
MAX = 10_000


@dataclass
class Server:
    """Answers each path with a fixed response, byte by byte as given."""

    url: str
    answers: dict[str, bytes] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)


@asynccontextmanager
async def served() -> AsyncIterator[Server]:
    """A server of the test's own that speaks as badly as it is told to."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        path = (await reader.readuntil(b"\r\n\r\n")).split(b" ")[1].decode()
        found.asked.append(path)
        response = found.answers.get(path)
        if response is None:
            await reader.read()  # until the client hangs up
        else:
            writer.write(response)
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    found = Server(f"http://127.0.0.1:{port}")
    try:
        yield found
    finally:
        server.close()


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    async with served() as found:
        yield found


def response(body: bytes, status: str = "200 OK", *headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status}", "Connection: close", *headers]
    if not any(each.startswith(("Content-Length", "Transfer")) for each in headers):
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode() + body


def claim(address: str, **attributes: Any) -> Event:
    return event_of(
        datacontenttype="application/json", extensions={"dataref": address}, **attributes
    )


def reader(*origins: str, timeout: float = 30.0) -> DatarefReader:
    return DatarefReader(DatarefSettings(origins=origins, max_bytes=MAX, timeout=timeout))


async def filled(
    from_: DatarefReader, event: Event, route: dict[str, Any] | None = None
) -> StoredEvent:
    async with from_.filled(dispatch_of(route or START, event), stored(event)) as found:
        return found


async def refused(from_: DatarefReader, event: Event) -> CallError:
    with pytest.raises(CallError) as caught:
        await filled(from_, event)
    return caught.value


async def test_the_data_are_fetched_for_a_route_that_asks_for_them(server: Server) -> None:
    server.answers["/claims/1"] = response(b'{"n": 1}')
    event = claim(f"{server.url}/claims/1")
    assert (await filled(reader(f"{server.url}/claims"), event)).event.data == b'{"n": 1}'
    for untouched, route in (
        (event, {"start": START["start"]}),
        (event_of({"n": 2}, extensions={"dataref": f"{server.url}/claims/1"}), START),
        (event_of(), START),
    ):
        assert (await filled(reader(), untouched, route)).event == untouched
    assert server.asked == ["/claims/1"]


BAD: dict[str, tuple[bytes, str, str]] = {
    "gone": (response(b"", "404 Not Found"), "permanent", "status 404"),
    "busy": (response(b"", "503 Busy"), "transient", "status 503"),
    "limited": (response(b"", "429 Slow"), "transient", "status 429"),
    "forbidden": (response(b"", "403 No"), "environment", "status 403"),
    "moved": (
        response(b"", "302 Found", "Location: http://127.0.0.1:1/"),
        "permanent",
        "redirects are not followed",
    ),
    "declared-large": (
        response(b"", "200 OK", "Content-Length: 99999"),
        "permanent",
        "larger than",
    ),
    "chunked-large": (
        response(
            b"ffff\r\n" + b"x" * 0xFFFF + b"\r\n0\r\n\r\n",
            "200 OK",
            "Transfer-Encoding: chunked",
        ),
        "permanent",
        "larger than",
    ),
    "cut": (response(b"{", "200 OK", "Content-Length: 10"), "transient", "cannot be read"),
    "no-http": (b"\x00\x01\x02\r\n\r\n", "transient", "cannot be read"),
    "no-json": (response(b'{"n": '), "permanent", "are not JSON"),
}


@pytest.mark.parametrize("what", BAD)
async def test_faults_are_told_apart(server: Server, what: str) -> None:
    server.answers["/x"], kind, words = BAD[what]
    error = await refused(reader(server.url), claim(f"{server.url}/x"))
    assert classify(error) == kind
    assert words in str(error)
    assert server.asked == ["/x"]


async def test_a_server_that_never_answers_is_left_in_time(server: Server) -> None:
    error = await refused(reader(server.url, timeout=0.2), claim(f"{server.url}/silent"))
    assert classify(error) == "transient"


async def test_what_is_not_allowed_is_not_asked_for(server: Server) -> None:
    server.answers["/secret"] = response(b"{}")
    for address in (f"{server.url}/secret", f"{server.url}/claims/../secret", "not a url", ""):
        error = await refused(reader(f"{server.url}/claims/"), claim(address))
        assert classify(error) == "permanent"
        assert "dataref" in str(error)
    assert server.asked == []


async def test_a_proxy_in_the_environment_is_not_used(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    server.answers["/x"] = response(b"{}")
    assert (await filled(reader(server.url), claim(f"{server.url}/x"))).event.data == b"{}"


async def test_data_of_an_object_store(tmp_path: Path) -> None:
    (tmp_path / "claims").mkdir()
    (tmp_path / "claims" / "1").write_bytes(b"[1]")
    (tmp_path / "claims" / "large").write_bytes(b"x" * (MAX + 1))
    origin = (tmp_path / "claims").as_uri()
    event = claim(f"{origin}/1")
    assert (await filled(reader(origin), event)).event.data == b"[1]"
    large = await refused(reader(origin), claim(f"{origin}/large"))
    assert "larger than" in str(large)
    gone = await refused(reader(origin), claim(f"{origin}/gone"))
    assert classify(gone) == "permanent"


async def test_data_that_are_no_json_are_given_as_they_are(server: Server) -> None:
    server.answers["/x"] = response(b"\x00\xff")
    event = event_of(
        datacontenttype="application/octet-stream",
        extensions={"dataref": f"{server.url}/x"},
    )
    assert (await filled(reader(server.url), event)).event.data == b"\x00\xff"


async def test_only_few_calls_hold_fetched_data_at_a_time(server: Server) -> None:
    server.answers["/x"] = response(b"{}")
    few = DatarefReader(DatarefSettings(origins=(server.url,), in_flight=2))
    event = claim(f"{server.url}/x")
    holding, let_go = [], asyncio.Event()

    async def call() -> None:
        async with few.filled(dispatch_of(START, event), stored(event)) as found:
            holding.append(found)
            await let_go.wait()

    calls = [asyncio.create_task(call()) for _ in range(4)]
    await eventually(lambda: len(holding) == 2)
    # Whoever needs no data does not wait for them.
    assert (await filled(few, event_of({"n": 1}))).event.data == b'{"n": 1}'
    assert len(server.asked) == 2
    let_go.set()
    await asyncio.gather(*calls)
    assert len(holding) == 4
