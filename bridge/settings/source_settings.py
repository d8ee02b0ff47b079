"""The settings of one source of events. Pure: the routes file has sources too."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Annotated, Literal

from pydantic import ConfigDict, Field, model_validator

from bridge.runtime.strict import NoTruthForNumber
from bridge.settings.start_from import StartFrom

Decode = Literal["cloudevents", "json", "text", "bytes", "protobuf", "auto"]
MADE_BY_SOURCE = "ntbridgesource"
"""The extension attribute of an event that a source made from a message: the source's stream."""
KEY_OPERATION = "kvoperation"
"""The extension attribute of an event of a key-value bucket: put, delete, purge or expire."""
PROTOBUF_MESSAGE = "protobufmessage"
"""The extension attribute of an event whose data is a protocol buffer message: its message type."""
_RESERVED = frozenset(
    {"specversion", "id", "source", "type", "subject", "time", "datacontenttype", "dataschema"}
    | {"data", MADE_BY_SOURCE, KEY_OPERATION, PROTOBUF_MESSAGE}
)


class Section(NoTruthForNumber):
    """A group of settings; an unknown key is an error."""

    # On every model, because nested models do not inherit "forbid".
    model_config = ConfigDict(extra="forbid", frozen=True)


JetStreamDomain = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]+$")]
ApiPrefix = Annotated[str, Field(pattern=r"^[$A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$")]

DEFAULT_API = "$JS.API"
"""What the subjects of JetStream requests begin with."""


def api_of_domain(domain: str) -> str:
    """Return what the subjects of requests to a JetStream domain begin with."""
    return f"$JS.{domain}.API"


Expression = Annotated[str, Field(min_length=1)]
"""A CEL expression over a message: subject, tokens, headers, data, time and sequence."""


class EventFields(Section):
    """How a message that is not a CloudEvent becomes one: CEL expressions over the message.

    The names are ``subject`` (text), ``tokens`` (of the subject), ``headers`` (a map; each name as
    sent and in lower case), ``data``, ``time`` (when the stream stored the message, RFC 3339 text)
    and ``sequence``; of a key-value bucket also ``key`` and ``operation`` (put, delete, purge or
    expire). An optional attribute is not set if its expression gives null or "".
    """

    model_config = ConfigDict(use_attribute_docstrings=True)

    id: Expression | None = None
    """Default: ``<sequence>-<time in nanoseconds>``. Two messages with the same source and id are
    the same event: the second is a repeat, or a dead letter if its content differs."""
    type: Expression | None = None
    """Default: the subject after the prefix of the setting ``type_prefix``."""
    source: Expression | None = None
    """Default: ``/nats/<stream>``."""
    subject: Expression | None = None
    """Default: none; of a key-value bucket, the key."""
    time: Expression | None = None
    """RFC 3339. Default: when the stream stored the message."""
    extensions: Mapping[Annotated[str, Field(pattern=r"^[a-z0-9]{1,20}$")], Expression] = Field(
        default_factory=dict
    )
    """Extension attributes: text, integers or booleans."""

    @model_validator(mode="after")
    def _extensions_are_free(self) -> "EventFields":
        reserved = sorted(self.extensions.keys() & _RESERVED)
        if reserved:
            message = f"extensions: {', '.join(reserved)} cannot be an extension attribute"
            raise ValueError(message)
        return self


class ProtobufFields(Section):
    """How protocol buffer messages are read."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    descriptors: str = Field(min_length=1)
    """A compiled descriptor set, or a folder of such files (``*.binpb``, ``*.pb``, ``*.desc``);
    relative to the folder of the routes file."""
    message: Expression
    """The full name of the message type: CEL over ``subject``, ``tokens`` and ``headers``."""
    keep: Literal["json", "bytes"] = "json"
    """The data of the event: the message as JSON, or its bytes. Expressions read it as JSON in both."""


class SourceSettings(Section):
    """A stream, or the part of one, whose messages are domain events."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    stream: str = Field("EVENTS", pattern=r"^[A-Za-z0-9_-]+$")
    subject: str | None = None
    """Only messages on subjects that match this filter (``*`` and ``>``); default: all."""
    consumer: str = Field("ntbridge", pattern=r"^[A-Za-z0-9_-]+$")
    """Name of the durable consumer on the server; with ``subject``, the prefix of its name."""
    domain: JetStreamDomain | None = None
    """The JetStream domain of the stream; default: that of ``nats``."""
    api_prefix: ApiPrefix | None = None
    """The prefix under which the JetStream API of another account is imported, such as ``JS.orders.API``."""
    create_consumer: bool = True
    """False: ``consumer`` is the whole name of a consumer that exists; the bridge creates none."""
    start_from: StartFrom | None = None
    """Where the source begins the first time: ``all``, ``new``, ``2h``, a time or a sequence."""
    decode: Decode = "cloudevents"
    """What the messages are; ``auto``: CloudEvents where a message is one, JSON otherwise."""
    event: EventFields = EventFields()
    """How a message that is not a CloudEvent becomes one."""
    protobuf: ProtobufFields | None = None
    """How messages are read with ``decode: protobuf``."""

    unmatched: Literal["store", "count"] = "store"
    """The treatment of events that no route matches: they are stored, or only counted by subject and
    type. A counted message cannot be replayed, and a later route does not see it."""

    @model_validator(mode="after")
    def _one_api(self) -> "SourceSettings":
        if self.domain is not None and self.api_prefix is not None:
            raise ValueError("give 'domain' or 'api_prefix', not both")
        return self

    @property
    def api(self) -> str | None:
        """What the subjects of JetStream requests about the stream begin with; None: as elsewhere."""
        return api_of_domain(self.domain) if self.domain else self.api_prefix

    @model_validator(mode="after")
    def _event_is_used(self) -> "SourceSettings":
        if self.decode == "cloudevents" and self.event.model_fields_set:
            message = (
                "'event' has no effect, because a CloudEvent has its own attributes: say what the "
                "messages are with 'decode' (json, text, bytes, protobuf or auto)"
            )
            raise ValueError(message)
        if (self.decode == "protobuf") != (self.protobuf is not None):
            message = "'decode: protobuf' and 'protobuf' (descriptors, message) belong together"
            raise ValueError(message)
        return self

    @property
    def durable(self) -> str:
        """The name of the durable consumer: one for each stream and subject filter."""
        if self.subject is None or not self.create_consumer:
            return self.consumer
        shown = re.sub(r"[^A-Za-z0-9_]+", "_", self.subject).strip("_")[:40] or "all"
        return f"{self.consumer}-{shown}-{sha256(self.subject.encode()).hexdigest()[:8]}"

    @property
    def shown(self) -> str:
        """The source for messages: its stream and subject filter."""
        return self.stream if self.subject is None else f"{self.stream} ({self.subject})"

    @property
    def name(self) -> str:
        """The name in logs and leases."""
        return f"{self.stream}/{self.durable}"


@dataclass(frozen=True, slots=True)
class SettingsSources:
    """The sources of the settings.

    Attributes:
        sources: The sources.
        named: Whether the settings name them. Otherwise they are the default, which applies only if
            the routes file names no source.
    """

    sources: tuple[SourceSettings, ...]
    named: bool = True


DEFAULT_SOURCES = SettingsSources((SourceSettings(),), named=False)
