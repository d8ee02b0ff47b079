"""The durable consumer of a source on the server: finds, creates, checks and resets it."""

import asyncio
from collections.abc import Mapping
from typing import Any

import structlog
from nats.js.api import RetentionPolicy, StreamInfo

from bridge.errors import AttachError, NotConnected, RequestRefused
from bridge.intake.consumer_fitness import ConsumerState, unfitness
from bridge.jetstream.api import (
    ACK_PENDING_TOO_LARGE,
    NO_CONSUMER,
    NO_PERMISSION,
    WORK_QUEUE_CODES,
    ask,
)
from bridge.jetstream.client import BridgeClient
from bridge.settings.schema import IntakeSettings, NatsSettings, SourceSettings

log = structlog.get_logger(__name__)

RESET_LEVEL = 4
"""The API level of nats-server 2.14, the first with ``$JS.API.CONSUMER.RESET``."""
RESET_SINCE = "2.14"

_MAX_ACK_PENDING = 20_000
_MAX_WAITING = 8
_IDLE_POLL_SECONDS = 0.05
_NAMES_PAGE = 1024


class DurableConsumer:
    """The consumer of a source; its name never changes.

    The bridge deletes it only if the server has no reset and the stream has limits retention:
    deleting the last consumer of an interest stream drops its unacknowledged messages.

    Args:
        client: A connected client.
        nats: The prefix of streams and subjects.
        source: The stream and its subject filter.
        settings: The ack wait.
        info: The server's stream info.
    """

    def __init__(
        self,
        client: BridgeClient,
        nats: NatsSettings,
        source: SourceSettings,
        settings: IntakeSettings,
        info: StreamInfo,
    ) -> None:
        self._client = client
        self._stream = nats.source_stream(source)
        self._api = nats.source_api(source)
        self._name = source.durable
        self._base = source.consumer
        self._may_create = source.create_consumer
        self._filter = nats.source_filter(source)
        self._ack_wait_ns = int(settings.ack_wait * 1e9)
        self._info = info

    async def find(self) -> ConsumerState | None:
        """Return the consumer's state; None if it does not exist.

        Raises:
            AttachError: The server refuses, or the consumer is not suitable for a source.
            NotConnected: NATS is unavailable.
        """
        try:
            state = await self._ask("INFO")
        except RequestRefused as error:
            if error.err_code != NO_CONSUMER:
                raise self._refused(error, "INFO") from error
            if not self._may_create:
                raise self._missing() from None
            return None
        if state.get("paused"):
            raise AttachError(
                f"the consumer {self._name!r} of stream {self._stream} is paused",
                f"resume it: nats consumer resume {self._stream} {self._name}",
            )
        unfit = unfitness(state["config"], self._filter)
        if unfit:
            raise AttachError(
                f"the consumer {self._name!r} of stream {self._stream} cannot be used: "
                f"{'; '.join(unfit)}",
                "delete it, if nothing else needs it, so that the bridge creates its own, or set "
                "intake.sources.consumer to another name"
                if self._may_create
                else f"change or create it: {self._command()}",
            )
        return state

    async def create(self, begin: int | None = None) -> ConsumerState:
        """Create the consumer, to deliver all messages or from a sequence on; return its state.

        Raises:
            AttachError: The server refuses.
            NotConnected: NATS is unavailable.
        """
        limits = self._info.config.consumer_limits
        most = min(_MAX_ACK_PENDING, (limits and limits.max_ack_pending) or _MAX_ACK_PENDING)
        try:
            try:
                return await self._create(begin, most)
            except RequestRefused as error:
                if error.err_code != ACK_PENDING_TOO_LARGE:
                    raise
                # The limit is one of the account or the server, which stream info does not show.
                # The server's default is within it.
                return await self._create(begin, None)
        except RequestRefused as error:
            raise await self._not_created(error) from error

    async def reset(self, begin: int) -> ConsumerState:
        """Give the consumer the state of a new one that begins at a sequence; return its state.

        Messages that another leader has in flight are delivered again at once, in stream order.
        Consumer sequences begin at 1 again. Late acknowledgements still count.

        Raises:
            AttachError: The server refuses.
            NotConnected: NATS is unavailable.
        """
        try:
            return await self._ask("RESET", {"seq": begin})
        except RequestRefused as error:
            raise self._refused(error, "RESET") from error

    async def recreate(self, begin: int) -> ConsumerState:
        """Do what `reset` does on a server that has none: delete the consumer and create it.

        This is harmless only on a stream with limits retention.

        Raises:
            AttachError: The server refuses, or the stream does not have limits retention.
            NotConnected: NATS is unavailable.
        """
        self.require_reset()
        if not self._may_create:
            raise AttachError(
                f"the nats-server {version_of(self._info)} of stream {self._stream} cannot reset a "
                f"consumer (since {RESET_SINCE}), and the bridge may not create one "
                "(create_consumer: false)",
                f"update nats-server to {RESET_SINCE} or later, or remove create_consumer: false",
            )
        try:
            await self._ask("DELETE")
        except RequestRefused as error:
            if error.err_code != NO_CONSUMER:
                raise self._refused(error, "DELETE") from error
        return await self.create(begin if begin > 1 else None)

    def require_reset(self) -> None:
        """Check that the server can reset consumers, or that the stream does not need it.

        Raises:
            AttachError: The server has no reset, and the stream does not have limits retention.
        """
        if has_reset(self._info) or self._info.config.retention == RetentionPolicy.LIMITS:
            return
        retention = RetentionPolicy(self._info.config.retention or "limits").value
        raise AttachError(
            f"stream {self._stream} has {retention} retention, and its nats-server {version_of(self._info)} "
            f"cannot reset a consumer ($JS.API.CONSUMER.RESET, since {RESET_SINCE}): without it, "
            "messages would be lost or come out of order at a restart",
            f"update nats-server to {RESET_SINCE} or later, or read from a stream with limits retention",
        )

    async def wait_until_idle(self, within: float) -> None:
        """Wait until no pull request is open on the consumer, at most ``within`` seconds.

        A reset does not end another leader's open request.
        """
        clock = asyncio.get_running_loop().time
        until = clock() + within
        while clock() < until:
            try:
                if not (await self._ask("INFO")).get("num_waiting"):
                    return
            except RequestRefused:
                return
            await asyncio.sleep(_IDLE_POLL_SECONDS)

    async def remove_superseded(self, epoch: int) -> None:
        """Delete the consumers that earlier versions created for each leader, where that is harmless.

        On other than limits retention this only logs them, because deleting one could drop messages.
        """
        if not self._may_create:
            return
        try:
            old = [name for name in await self._names() if self._is_superseded(name, epoch)]
            if old and self._info.config.retention != RetentionPolicy.LIMITS:
                log.warning(
                    "intake.old_consumers_kept",
                    stream=self._stream,
                    consumers=old,
                    next_step="these consumers are no longer used, and they keep messages in the "
                    "stream: delete them with 'nats consumer rm' once this source has caught up",
                )
                return
            for name in old:
                await ask(self._client, f"CONSUMER.DELETE.{self._stream}.{name}", api=self._api)
        except (RequestRefused, NotConnected) as error:
            # Not an error: they only use resources on the server.
            log.info("intake.old_consumers_not_removed", stream=self._stream, error=str(error))

    def _is_superseded(self, name: str, epoch: int) -> bool:
        of, _, number = name.rpartition("-")
        return of == self._base and number.isdecimal() and int(number) <= epoch

    async def _names(self) -> list[str]:
        """Return the names of all consumers of the stream, from all pages of the list."""
        names: list[str] = []
        while True:
            page = await ask(
                self._client,
                f"CONSUMER.NAMES.{self._stream}",
                {"offset": len(names)},
                api=self._api,
            )
            found = page.get("consumers") or []
            names += found
            if not found or len(names) >= page.get("total", 0):
                return names

    async def _create(self, begin: int | None, max_ack_pending: int | None) -> ConsumerState:
        config: dict[str, Any] = {
            "durable_name": self._name,
            "ack_policy": "explicit",
            "deliver_policy": "all" if begin is None else "by_start_sequence",
            "ack_wait": self._ack_wait_ns,
            # The server never gives up on an event.
            "max_deliver": -1,
            "max_waiting": _MAX_WAITING,
        }
        if begin is not None:
            config["opt_start_seq"] = begin
        if self._filter is not None:
            config["filter_subject"] = self._filter
        if max_ack_pending is not None:
            config["max_ack_pending"] = max_ack_pending
        body = {"stream_name": self._stream, "config": config, "action": "create"}
        # With a filter, it is part of the API subject, so that permissions can depend on it.
        subject = f"CONSUMER.CREATE.{self._stream}.{self._name}"
        if self._filter is not None:
            subject += f".{self._filter}"
        return await ask(self._client, subject, body, api=self._api)

    async def _ask(
        self, operation: str, body: Mapping[str, Any] | None = None
    ) -> ConsumerState:
        subject = f"CONSUMER.{operation}.{self._stream}.{self._name}"
        return await ask(self._client, subject, body, api=self._api)

    def _missing(self) -> AttachError:
        return AttachError(
            f"stream {self._stream} has no consumer {self._name!r}, and the bridge may not create "
            "it (create_consumer: false)",
            f"create it: {self._command()}",
        )

    def _command(self) -> str:
        flags = "--pull --ack=explicit --deliver=all --max-deliver=-1"
        part = "" if self._filter is None else f" --filter='{self._filter}'"
        return f"nats consumer add {self._stream} {self._name} {flags}{part}"

    async def _not_created(self, error: RequestRefused) -> AttachError:
        if error.err_code == NO_PERMISSION:
            return AttachError(
                f"stream {self._stream} has no consumer {self._name!r}, and this user may not "
                f"create it: {error}",
                f"allow that, or create it: {self._command()}",
            )
        if error.err_code in WORK_QUEUE_CODES:
            return AttachError(
                f"the consumer {self._name!r} cannot be created: {error}. Stream {self._stream} is a "
                f"work queue, on which a subject can have one consumer; it has: {await self._others()}",
                "give each source of this stream subjects of its own, or delete the consumer that "
                "takes the same subjects",
            )
        return self._refused(error, "CREATE")

    async def _others(self) -> str:
        try:
            return ", ".join(await self._names()) or "none"
        except (RequestRefused, NotConnected) as error:
            return str(error)

    def _refused(self, error: RequestRefused, operation: str) -> AttachError:
        if error.err_code == NO_PERMISSION:
            to_do = f"allow this user to publish to {self._api}.CONSUMER.{operation}.{self._stream}.{self._name}"
        else:
            to_do = "read the server's error; 'nats consumer info' shows the consumer"
        return AttachError(f"consumer {self._name!r}: {error}", to_do)


def has_reset(info: StreamInfo) -> bool:
    """Return whether the server of a stream can reset consumers."""
    return int((info.config.metadata or {}).get("_nats.level", "0")) >= RESET_LEVEL


def version_of(info: StreamInfo) -> str:
    """Return the version of the server of a stream."""
    return (info.config.metadata or {}).get("_nats.ver", "(older than 2.11)")
