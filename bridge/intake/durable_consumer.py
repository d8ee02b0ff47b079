"""The durable consumer of a source, on the server: found or created, checked, reset."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import structlog
from nats.js.api import RetentionPolicy, StreamInfo

from bridge.errors import AttachError, NotConnected, RequestRefused
from bridge.jetstream import api
from bridge.jetstream.api import ask
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

State = Mapping[str, Any]
"""What the server says about a consumer, as its JSON has it."""


class DurableConsumer:
    """The consumer that a source reads from; its name stays the same for ever.

    It is never deleted here, except where a server has no reset and the stream's retention makes
    that harmless: deleting the last consumer of an interest stream drops what it had not acknowledged.

    Args:
        client: Connected.
        nats: The prefix of streams and subjects.
        source: The stream, and the part of it.
        settings: The ack wait.
        info: What the server says about the stream.
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
        self._stream = nats.stream(source.stream)
        self._name = source.durable
        self._base = source.consumer
        self._filter = None if source.subject is None else nats.subject(source.subject)
        self._ack_wait_ns = int(settings.ack_wait * 1e9)
        self._info = info

    async def find(self) -> State | None:
        """Return the consumer's state; None if it does not exist.

        Raises:
            AttachError: The server does not say, or its configuration is not fit for a source.
            NotConnected: NATS is away.
        """
        try:
            state = await self._ask("INFO")
        except RequestRefused as error:
            if error.err_code == api.NO_CONSUMER:
                return None
            raise self._refused(error, "INFO") from error
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
                "intake.sources.consumer to another name",
            )
        return state

    async def create(self, begin: int | None = None) -> State:
        """Create the consumer, to deliver everything or from a sequence on; return its state.

        Raises:
            AttachError: The server refuses.
            NotConnected: NATS is away.
        """
        limits = self._info.config.consumer_limits
        most = min(_MAX_ACK_PENDING, (limits and limits.max_ack_pending) or _MAX_ACK_PENDING)
        try:
            try:
                return await self._create(begin, most)
            except RequestRefused as error:
                if error.err_code != api.ACK_PENDING_TOO_LARGE:
                    raise
                # A limit of the account or the server, which the stream does not show: the
                # server's own default is within it.
                return await self._create(begin, None)
        except RequestRefused as error:
            raise await self._not_created(error) from error

    async def reset(self, begin: int) -> State:
        """Give the consumer the state of a new one that begins at a sequence; return its state.

        What another leader has in flight comes again at once, in stream order. The server
        counts deliveries from 1 again. Acknowledgements that come late still count.

        Raises:
            AttachError: The server refuses.
            NotConnected: NATS is away.
        """
        try:
            return await self._ask("RESET", {"seq": begin})
        except RequestRefused as error:
            raise self._refused(error, "RESET") from error

    async def recreate(self, begin: int) -> State:
        """Do what `reset` does on a server that has none: delete the consumer and create it.

        Harmless on a stream with limits retention only.

        Raises:
            AttachError: The server refuses, or the stream's retention does not allow it.
            NotConnected: NATS is away.
        """
        self.require_reset()
        try:
            await self._ask("DELETE")
        except RequestRefused as error:
            if error.err_code != api.NO_CONSUMER:
                raise self._refused(error, "DELETE") from error
        return await self.create(begin if begin > 1 else None)

    def require_reset(self) -> None:
        """Check that this source can do without a reset, if the server has none.

        Raises:
            AttachError: It cannot.
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

        On other than limits retention they are only named in the log: deleting one could drop
        messages.
        """
        try:
            old = [name for name in await self._names() if self._is_superseded(name, epoch)]
            if old and self._info.config.retention != RetentionPolicy.LIMITS:
                log.warning(
                    "intake.old_consumers_kept",
                    stream=self._stream,
                    consumers=old,
                    next_step="nothing reads from them any more, and they hold messages back: "
                    "delete them with 'nats consumer rm' once this source has caught up",
                )
                return
            for name in old:
                await ask(self._client, f"CONSUMER.DELETE.{self._stream}.{name}")
        except (RequestRefused, NotConnected) as error:
            # They only take room on the server.
            log.info("intake.old_consumers_not_removed", stream=self._stream, error=str(error))

    def _is_superseded(self, name: str, epoch: int) -> bool:
        of, _, number = name.rpartition("-")
        return of == self._base and number.isdecimal() and int(number) <= epoch

    async def _names(self) -> list[str]:
        """Return the names of all consumers of the stream, whose list comes in pages."""
        names: list[str] = []
        while True:
            page = await ask(
                self._client, f"CONSUMER.NAMES.{self._stream}", {"offset": len(names)}
            )
            found = page.get("consumers") or []
            names += found
            if not found or len(names) >= page.get("total", 0):
                return names

    async def _create(self, begin: int | None, max_ack_pending: int | None) -> State:
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
        # Permissions may be given by the filter, which is the last part of the subject then.
        subject = f"CONSUMER.CREATE.{self._stream}.{self._name}"
        if self._filter is not None:
            subject += f".{self._filter}"
        return await ask(self._client, subject, body)

    async def _ask(self, operation: str, body: Mapping[str, Any] | None = None) -> State:
        subject = f"CONSUMER.{operation}.{self._stream}.{self._name}"
        return await ask(self._client, subject, body)

    async def _not_created(self, error: RequestRefused) -> AttachError:
        if error.err_code == api.NO_PERMISSION:
            flags = "--pull --ack=explicit --deliver=all --max-deliver=-1"
            part = "" if self._filter is None else f" --filter='{self._filter}'"
            return AttachError(
                f"stream {self._stream} has no consumer {self._name!r}, and this user may not "
                f"create it: {error}",
                f"allow that, or create it: nats consumer add {self._stream} {self._name} {flags}{part}",
            )
        if error.err_code in api.WORK_QUEUE_CODES:
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
        if error.err_code == api.NO_PERMISSION:
            to_do = f"allow this user to publish to $JS.API.CONSUMER.{operation}.{self._stream}.{self._name}"
        else:
            to_do = "see the server's words; 'nats consumer info' shows the consumer"
        return AttachError(f"consumer {self._name!r}: {error}", to_do)


def unfitness(config: State, filter_subject: str | None) -> Sequence[str]:
    """Return what about a consumer's configuration makes it unfit for a source; nothing if it is fit.

    Args:
        config: As the server's JSON has it.
        filter_subject: Of the source; None for the whole stream.
    """
    found = []
    if config.get("deliver_subject"):
        found.append("it is a push consumer")
    if config.get("ack_policy") != "explicit":
        found.append(f"its ack policy is {config.get('ack_policy')}, not explicit")
    if config.get("deliver_policy") not in ("all", "by_start_sequence"):
        found.append(f"its deliver policy is {config.get('deliver_policy')}, not all")
    if config.get("headers_only"):
        found.append("it delivers headers only")
    if (config.get("max_deliver") or -1) > 0:
        found.append(f"it gives up on a message after {config['max_deliver']} deliveries")
    if config.get("priority_groups"):
        found.append("it has priority groups")
    single = config.get("filter_subject")
    filters = config.get("filter_subjects") or ([single] if single else [])
    wanted = [] if filter_subject in (None, ">") else [filter_subject]
    if [each for each in filters if each != ">"] != wanted:
        shown = ", ".join(filters) or "none"
        found.append(f"its filter is {shown}, and the source's {filter_subject or 'none'}")
    return found


def has_reset(info: StreamInfo) -> bool:
    """Tell whether the server of a stream can reset consumers."""
    return int((info.config.metadata or {}).get("_nats.level", "0")) >= RESET_LEVEL


def version_of(info: StreamInfo) -> str:
    """Return the version of the server of a stream."""
    return (info.config.metadata or {}).get("_nats.ver", "(older than 2.11)")
