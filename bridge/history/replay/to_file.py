"""The file target: one CloudEvent a line, or one JSON array of them (a batch), one a line.

The file is its own checkpoint. After an interruption, the last whole line is the last event
written; an incomplete line after it is cut off.
"""

import asyncio
import os
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

import msgspec

from bridge.cloudevents.codec import to_json
from bridge.errors import BridgeError, EncodeError
from bridge.history.replay.runner import Passed
from bridge.history.replay.store import Replay, ToFile
from eventstore.events import StoredEvent, uid
from eventstore.leases import Lease
from eventstore.store import EventStore

_BLOCK = 1 << 20
_OPENING = b"["
_CLOSING = b"]"


class FileRefused(BridgeError):  # noqa: N818 - names what is the case
    """The file cannot be written, or does not belong to this replay."""


class FileTarget:
    """Appends to one file. Use one object for each run of a replay.

    Args:
        target: The file and its format.
        store: For the position of the file's last event.
        fresh: Whether this is the first run: then the file must not exist.
        passed: Called with events that cannot be encoded.
    """

    def __init__(
        self,
        target: ToFile,
        store: EventStore,
        *,
        fresh: bool,
        passed: Callable[[Passed], None],
    ) -> None:
        self._path = Path(target.path)
        self._batch = target.format == "batch"
        self._store = store
        self._fresh = fresh
        self._passed = passed
        self._file: BinaryIO | None = None
        self._started = False
        self._refused = False
        self._position = 0

    async def resume(self, replay: Replay, _lease: Lease) -> int:
        """Open the file and return the position of its last event.

        Raises:
            FileRefused: It exists already, cannot be written, or belongs to another replay.
        """
        self._position = replay.selection.after
        try:
            last = await asyncio.to_thread(self._open)
        except FileExistsError:
            raise FileRefused(f"{self._path} already exists; name another file") from None
        except OSError as error:
            raise FileRefused(f"{self._path} cannot be written: {error.strerror}") from error
        if last is not None:
            self._started = True
            self._position = await self._position_of(last, replay)
        return self._position

    async def take(self, replay: Replay, events: Sequence[StoredEvent]) -> None:
        """Append events."""
        lines, replay_id = [], str(replay.id)
        for stored in events:
            try:
                text = to_json(stored.event, replayid=replay_id)
            except EncodeError as error:
                self._passed(Passed(stored.position, str(error)))
                continue
            lines.append(b"," + text if self._batch and self._started else text)
            self._started = True
        lines.append(b"")
        await self._write(b"\n".join(lines))
        self._position = events[-1].position

    async def settle(self) -> tuple[int, int | None]:
        """Flush to the operating system; return the last position written."""
        if self._file is not None:
            await self._in_thread(self._file.flush)
        return self._position, None

    async def finish(self) -> None:
        """Close a batch, and sync the file to disk."""
        if self._file is None:
            return
        if self._batch:
            await self._write(_CLOSING + b"\n")
        await self._in_thread(partial(_to_disk, self._file))

    async def close(self) -> None:
        """Close the file; may be called twice."""
        file, self._file = self._file, None
        if file is not None:
            try:
                await self._in_thread(file.close)
            except FileRefused:
                if (
                    not self._refused
                ):  # otherwise the error was raised before, and flushing fails again
                    raise

    async def _write(self, text: bytes) -> None:
        if self._file is None:
            raise FileRefused(f"{self._path} is not open")
        try:
            # Goes to the page cache: faster than a thread.
            self._file.write(text)
        except OSError as error:
            raise self._refusal(error) from error

    async def _in_thread(self, act: Callable[[], None]) -> None:
        try:
            await asyncio.to_thread(act)
        except OSError as error:
            raise self._refusal(error) from error

    def _refusal(self, error: OSError) -> FileRefused:
        self._refused = True
        return FileRefused(f"{self._path} cannot be written: {error.strerror}")

    def _open(self) -> bytes | None:
        """Open the file after its last whole line, and return that line's event, if any."""
        if self._fresh or not self._path.exists():
            self._file = self._path.open("xb", buffering=_BLOCK)
            self._open_batch()
            return None
        self._file = self._path.open("r+b", buffering=_BLOCK)
        end = _end_of_lines(self._file, self._file.seek(0, os.SEEK_END))
        line, begin = _line_before(self._file, end)
        if line == _CLOSING:  # complete, but the replay was not marked as finished
            end = begin
            line, begin = _line_before(self._file, end)
        self._file.truncate(end)
        self._file.seek(end)
        if not line or line == _OPENING:
            self._file.truncate(0)
            self._file.seek(0)
            self._open_batch()
            return None
        return line.removeprefix(b",")

    def _open_batch(self) -> None:
        if self._batch and self._file is not None:
            self._file.write(_OPENING + b"\n")

    async def _position_of(self, line: bytes, replay: Replay) -> int:
        try:
            members: dict[str, Any] = msgspec.json.decode(line, type=dict[str, Any])
            if members["replayid"] != str(replay.id):
                raise FileRefused(
                    f"{self._path} belongs to another replay, {members['replayid']}; name another file"
                )
            stored = await self._store.get(uid(members["source"], members["id"]))
        except (msgspec.MsgspecError, KeyError, TypeError) as error:
            raise FileRefused(
                f"the last line of {self._path} is not an event of this replay: the file was "
                "changed; begin a new replay to another file"
            ) from error
        if stored is None:
            raise FileRefused(
                f"the last event of {self._path} is not in this store: begin a new replay to "
                "another file"
            )
        return stored.position


def _to_disk(file: BinaryIO) -> None:
    file.flush()
    os.fsync(file.fileno())


def _end_of_lines(file: BinaryIO, end: int) -> int:
    """Return the offset after the line feed of the last whole line before ``end``."""
    while end > 0:
        begin = max(0, end - _BLOCK)
        file.seek(begin)
        found = file.read(end - begin).rfind(b"\n")
        if found >= 0:
            return begin + found + 1
        end = begin
    return 0


def _line_before(file: BinaryIO, end: int) -> tuple[bytes, int]:
    """Return the line that ends at ``end``, without its line feed, and its offset."""
    if end == 0:
        return b"", 0
    begin = _end_of_lines(file, end - 1)
    file.seek(begin)
    return file.read(end - 1 - begin), begin
