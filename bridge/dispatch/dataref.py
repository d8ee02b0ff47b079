"""`DatarefReader`: fetches the data of events from where ``dataref`` says.

A publisher whose data are too large for a message of NATS stores them, and publishes an event without data
and with ``dataref``, their address. A route with ``dataref: fetch`` gives the workflow the data: they are
read when the call is made, not when the event is recorded, so that a slow server delays only the lanes that
need it. Expressions therefore do not see them.

**Origins.** Only addresses below one of ``dataref.origins`` are read, over HTTPS or from an object store: an
event must not make the daemon read whatever its network reaches. Redirects are not followed.

**Failures.** A server that does not answer is tried again, like Temporal. An address that is not allowed, data that
are gone, too large or not of their content type make a dead letter, which a redrive tries again.

Source: https://github.com/cloudevents/spec/blob/main/cloudevents/extensions/dataref.md
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress

import httpx
import msgspec
from msgspec.structs import replace

from bridge.operations.base import Dispatch
from bridge.operations.calls import CallError
from bridge.operations.fetching import EXTENSION, fetches
from bridge.runtime.errors import ObjectMissingError, ObjectStoreError
from bridge.runtime.object_store import ObjectStore
from bridge.settings.dataref import DatarefSettings, Origin
from eventstore.events import StoredEvent

_WEB = ("http", "https")


class DatarefReader:
    """Fetches data. Safe for concurrent callers, of which only a few hold data at a time.

    Args:
        settings: From where, how much, how long.
    """

    def __init__(self, settings: DatarefSettings) -> None:
        self._settings = settings
        self._few = asyncio.Semaphore(settings.in_flight)
        self._origins: Sequence[Origin] = [Origin.of(each) for each in settings.origins]

    @asynccontextmanager
    async def filled(
        self, dispatch: Dispatch, stored: StoredEvent
    ) -> AsyncIterator[StoredEvent]:
        """Give the event with its data, fetched if the dispatch says so, for one call.

        Raises:
            CallError: ``ABORTED`` if a later attempt may succeed, ``PERMISSION_DENIED`` if the server
                refuses the daemon, ``INVALID_ARGUMENT`` if the event is at fault.
        """
        event = stored.event
        address = event.extensions.get(EXTENSION)
        if event.data is not None or not isinstance(address, str) or not fetches(dispatch.call):
            yield stored
            return
        async with self._few:  # until the call is made: large data must not add up in memory
            data = await self._fetched(address)
            filled = replace(event, data=data)
            if filled.has_json_data:
                _check_json(data, address)
            yield replace(stored, event=filled)

    async def _fetched(self, address: str) -> bytes:
        try:
            origin = Origin.of(address)
        except ValueError as error:
            raise _refusal(f"the event's dataref cannot be read: {error}") from None
        if not any(allowed.covers(origin) for allowed in self._origins):
            allowed = ", ".join(self._settings.origins) or "none"
            raise _refusal(
                f"the event's dataref {address[:500]!r} is not below an allowed origin "
                f"(dataref.origins: {allowed})"
            )
        try:
            async with asyncio.timeout(self._settings.timeout):
                if origin.scheme in _WEB:
                    return await self._from_web(address)
                return await self._from_store(address, origin)
        except TimeoutError:
            raise CallError(
                "ABORTED",
                f"the event's dataref {address[:500]!r} was not read within "
                f"{self._settings.timeout:g} s",
            ) from None

    async def _from_web(self, address: str) -> bytes:
        try:
            # No redirects: they would leave the allowed origins.
            async with (
                httpx.AsyncClient(
                    follow_redirects=False, timeout=self._settings.timeout, trust_env=False
                ) as client,
                client.stream("GET", address) as response,
            ):
                _check_status(response, address)
                return await self._read(response, address)
        except httpx.HTTPError as error:
            raise CallError(
                "ABORTED",
                f"the event's dataref {address[:500]!r} cannot be read: "
                f"{type(error).__name__} {error}".rstrip(),
            ) from error

    async def _read(self, response: httpx.Response, address: str) -> bytes:
        """Return the body; it is not read further than its maximum, whatever its header says."""
        declared = response.headers.get("Content-Length", "")
        if declared.isdecimal() and int(declared) > self._settings.max_bytes:
            raise self._too_large(address)
        body = bytearray()
        async for chunk in response.aiter_bytes():
            body += chunk
            if len(body) > self._settings.max_bytes:
                raise self._too_large(address)
        return bytes(body)

    async def _from_store(self, address: str, origin: Origin) -> bytes:
        key = origin.path.strip("/")
        root = "file:///" if origin.scheme == "file" else f"{origin.scheme}://{origin.host}"
        try:
            store = ObjectStore.open(root)
            if await store.size(key) > self._settings.max_bytes:
                raise self._too_large(address)
            return await store.get(key)
        except ObjectMissingError as error:
            raise _refusal(f"the event's dataref does not exist: {error}") from error
        except ObjectStoreError as error:
            raise CallError(
                "ABORTED", f"the event's dataref cannot be read: {error}"
            ) from error

    def _too_large(self, address: str) -> CallError:
        return _refusal(
            f"the data at the event's dataref {address[:500]!r} are larger than "
            f"{self._settings.max_bytes} bytes (dataref.max_bytes)"
        )


def _check_status(response: httpx.Response, address: str) -> None:
    status = response.status_code
    if status == httpx.codes.OK:
        return
    said = f"the event's dataref {address[:500]!r} gives HTTP status {status}"
    if status in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
        raise CallError("PERMISSION_DENIED", said)
    retried = (
        httpx.codes.REQUEST_TIMEOUT,
        httpx.codes.TOO_EARLY,
        httpx.codes.TOO_MANY_REQUESTS,
    )
    if status in retried or response.is_server_error:
        raise CallError("ABORTED", said)
    if response.is_redirect:
        said += "; redirects are not followed"
    raise _refusal(said)


def _check_json(data: bytes, address: str) -> None:
    with suppress(msgspec.DecodeError):
        msgspec.json.decode(data, type=msgspec.Raw)  # checks without building values
        return
    raise _refusal(
        f"the data at the event's dataref {address[:500]!r} are not JSON, which the event's "
        "datacontenttype says they are"
    )


def _refusal(message: str) -> CallError:
    return CallError("INVALID_ARGUMENT", message)
