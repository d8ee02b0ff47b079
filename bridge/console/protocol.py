"""HTTP/1.1 with deadlines: for headers, bodies, idle connections and clients that do not read.

uvicorn limits only the time between two requests. A client that sends half a request would otherwise keep
its connection, and some hundreds of them all that the console has.
"""

import asyncio
from itertools import count
from typing import Any, cast

from typing_extensions import override
from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle

HEAD_SECONDS = 10.0
BODY_SECONDS = 20.0
WRITE_SECONDS = 30.0
MAX_CONNECTIONS = 256

_numbers = count()


class DeadlineProtocol(H11Protocol):
    """One connection.

    When there are too many, the one that has waited longest for its client is closed for the new one.
    """

    head_seconds = HEAD_SECONDS
    body_seconds = BODY_SECONDS
    write_seconds = WRITE_SECONDS
    max_connections = MAX_CONNECTIONS

    def __init__(self, *arguments: Any, **keywords: Any) -> None:
        super().__init__(*arguments, **keywords)
        self.number = next(_numbers)
        self._reading: asyncio.TimerHandle | None = None
        self._is_body = False
        self._writing: asyncio.TimerHandle | None = None

    @override
    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._await_head()
        if len(self.connections) > self.max_connections:
            self._make_room()

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_reading()
        self._stop_writing()
        super().connection_lost(exc)

    @override
    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._set_deadline()

    @override
    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._stop_reading()
        # uvicorn limits the time until the next request; one that has begun already needs a deadline.
        self._set_deadline()

    @override
    def pause_writing(self) -> None:
        """Give the client some seconds to read what it asked for."""
        super().pause_writing()
        self._writing = self.loop.call_later(self.write_seconds, self._abort)

    @override
    def resume_writing(self) -> None:
        """Go on: the client reads."""
        self._stop_writing()
        super().resume_writing()

    @property
    def waits_for_client(self) -> bool:
        """Whether no request is complete on this connection."""
        cycle = self._cycle
        return cycle is None or cycle.response_complete or cycle.more_body

    @property
    def _cycle(self) -> RequestResponseCycle | None:
        return self.cycle  # None before the first request, whatever its annotation says

    def _set_deadline(self) -> None:
        cycle = self._cycle
        if cycle is None or cycle.response_complete:
            self._await_head()
        elif not cycle.more_body:
            self._stop_reading()
        elif not self._is_body:
            # From the end of the head, and not from the last byte.
            self._start_reading(self.body_seconds, is_body=True)

    def _await_head(self) -> None:
        if self._reading is None or self._is_body:
            self._start_reading(self.head_seconds, is_body=False)

    def _start_reading(self, seconds: float, *, is_body: bool) -> None:
        self._stop_reading()
        self._is_body = is_body
        self._reading = self.loop.call_later(seconds, self._abort)

    def _stop_reading(self) -> None:
        if self._reading is not None:
            self._reading.cancel()
            self._reading = None
        self._is_body = False

    def _stop_writing(self) -> None:
        if self._writing is not None:
            self._writing.cancel()
            self._writing = None

    def _make_room(self) -> None:
        others = cast(
            "list[DeadlineProtocol]", [each for each in self.connections if each is not self]
        )
        waiting = [each for each in others if each.waits_for_client]
        if waiting:
            min(waiting, key=lambda each: each.number).transport.abort()
        else:
            self.transport.abort()

    def _abort(self) -> None:
        self.transport.abort()
