"""A server that speaks as much of OpenAI's interface as a test scripts."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

Answer = Callable[["Exchange"], Awaitable[None]]


@dataclass
class Exchange:
    """One request and the line on which it is answered."""

    path: str
    headers: dict[str, str]
    body: Any
    writer: asyncio.StreamWriter
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the other side has hung up."""

    def hung_up(self, reading: asyncio.Task[bytes]) -> None:
        """Note that the other side has hung up, in whatever way."""
        reading.exception()
        self.ended.set()

    async def send(self, data: str | bytes) -> None:
        self.writer.write(data.encode() if isinstance(data, str) else data)
        await self.writer.drain()

    async def begin(
        self, status: str = "200 OK", kind: str = "text/event-stream", **headers: str
    ) -> None:
        lines = [f"HTTP/1.1 {status}", f"Content-Type: {kind}", "Connection: close"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        await self.send("\r\n".join([*lines, "", ""]))


def piece(text: str, finished: str | None = None) -> str:
    """One event of a streamed answer."""
    choice = {"index": 0, "delta": {"content": text}, "finish_reason": finished}
    return f"data: {json.dumps({'model': 'stand-in-1', 'choices': [choice]})}\n\n"


def streams(*pieces: str, finished: str = "stop") -> Answer:
    """Answer with a text in pieces."""

    async def answer(exchange: Exchange) -> None:
        await exchange.begin()
        for text in pieces:
            await exchange.send(piece(text))
        await exchange.send(piece("", finished) + "data: [DONE]\n\n")

    return answer


def answers_whole(message: dict[str, Any], finished: str = "stop") -> Answer:
    """Answer in one piece: the server ignores ``stream``."""
    choice = {"index": 0, "message": message, "finish_reason": finished}
    return refuses("200 OK", json.dumps({"model": "stand-in-1", "choices": [choice]}))


def refuses(status: str, body: str = "", **headers: str) -> Answer:
    """Answer with an error."""

    async def answer(exchange: Exchange) -> None:
        await exchange.begin(status, "application/json", **headers)
        await exchange.send(body)

    return answer


def sends(raw: str | bytes) -> Answer:
    """Answer 200, with whatever it is."""

    async def answer(exchange: Exchange) -> None:
        await exchange.begin()
        await exchange.send(raw)

    return answer


async def stalls(exchange: Exchange) -> None:
    """Begin, and never go on."""
    await exchange.begin()
    await exchange.send(piece("def"))
    await exchange.ended.wait()


@dataclass
class StandIn:
    """The running server: what it was asked, and what it answers next (the last one again)."""

    url: str = ""
    answers: list[Answer] = field(default_factory=list)
    exchanges: list[Exchange] = field(default_factory=list)
    asked: asyncio.Event = field(default_factory=asyncio.Event)


@asynccontextmanager
async def stand_in(*answers: Answer) -> AsyncIterator[StandIn]:
    """Run the server for a while."""
    server = StandIn(answers=list(answers))

    serving: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if task := asyncio.current_task():
            serving.add(task)
        # OSError, not ConnectionError: write_eof says ENOTCONN once the other side has hung up.
        with suppress(OSError, asyncio.IncompleteReadError):
            request, *lines = (await reader.readuntil(b"\r\n\r\n")).decode().splitlines()
            headers = {
                name.lower(): value
                for name, _, value in (line.partition(": ") for line in lines if line)
            }
            body = json.loads(await reader.readexactly(int(headers["content-length"])))
            exchange = Exchange(request.split()[1], headers, body, writer)
            server.exchanges.append(exchange)
            server.asked.set()
            hung_up = asyncio.create_task(reader.read())
            hung_up.add_done_callback(exchange.hung_up)
            answer = server.answers.pop(0) if len(server.answers) > 1 else server.answers[0]
            await answer(exchange)
            writer.write_eof()
            await exchange.ended.wait()
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()

    listening = await asyncio.start_server(serve, "127.0.0.1", 0)
    server.url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}/v1"
    async with listening:
        yield server
    # A connection may be accepted whose client has given up already: let it begin, then wait.
    for _ in range(10):
        await asyncio.sleep(0)
    await asyncio.gather(*serving)
