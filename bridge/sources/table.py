"""`Sources`: the decoders of all sources. Pure."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from itertools import combinations
from typing import Final

import msgspec

from bridge.cel.cost import elements_of, size_of
from bridge.errors import DecodeError, ExpressionError
from bridge.jetstream.subjects import matches, may_meet
from bridge.runtime.event_types import DEFAULT_PREFIX
from bridge.settings.source_settings import (
    MADE_BY_SOURCE,
    PROTOBUF_MESSAGE,
    SourceSettings,
)
from bridge.sources import mapping
from bridge.sources.decoder import Decoder
from bridge.sources.protobuf import Descriptors
from eventstore.events import Event

DECODING: Final = frozenset({"decode", "event", "protobuf", "unmatched"})
"""The settings of a source that a running daemon can change; all others place its consumer."""
_ALL = ">"
_JSON_PER_BYTE: Final = 16
"""Bytes of JSON that a byte of a protocol buffer message is counted as, with its conversion."""
DescriptorSets = Mapping[str, Mapping[str, bytes]]

Location = tuple[int | str, ...]


class Sources:
    """The sources, and how the messages of each become events.

    Args:
        settings: The sources; without faults (`faults_of`).
        type_prefix: The prefix of default event types.
        descriptors: The descriptor sets by file name, for each ``descriptors`` of a source.
    """

    def __init__(
        self,
        settings: Sequence[SourceSettings] = (),
        type_prefix: str = DEFAULT_PREFIX,
        descriptors: DescriptorSets | None = None,
    ) -> None:
        self.settings = tuple(settings)
        self.descriptors = descriptors or {}
        read = {name: Descriptors(sets) for name, sets in self.descriptors.items()}
        self.type_prefix = type_prefix
        self._by_stream: dict[str, list[Decoder]] = {}
        for each in self.settings:
            named = None if each.protobuf is None else read.get(each.protobuf.descriptors)
            decoder = Decoder(each, type_prefix, named)
            self._by_stream.setdefault(each.stream, []).append(decoder)
        self._otherwise = Decoder(SourceSettings(), type_prefix)

    def decoder(self, stream: str, topic: str) -> Decoder:
        """Return the decoder for messages of a stream on a topic; CloudEvents if there is none."""
        for decoder in self._by_stream.get(stream, ()):
            subject = decoder.source.subject
            if subject is None or matches(subject, topic):
                return decoder
        return self._otherwise

    def json_reader(self, event: Event) -> Callable[[], bytes] | None:
        """Return what reads an event's data as JSON, if it is a protocol buffer message.

        The reader raises `DecodeError` if the sources do not know its message type any more.
        """
        if PROTOBUF_MESSAGE not in event.extensions or event.has_json_data:
            return None
        stream = event.extensions.get(MADE_BY_SOURCE)
        decoders = [
            each for each in self._by_stream.get(str(stream), ()) if each.source.protobuf
        ]

        def read() -> bytes:
            problem = DecodeError("protobuf", f"no source reads protocol buffers from {stream}")
            for decoder in decoders:
                try:
                    return decoder.json_of(event)
                except DecodeError as error:
                    problem = error
            raise problem

        return read

    def bounds(self, event: Event) -> tuple[int, int]:
        """Return how many bytes of an event expressions may read, and a bound for its elements."""
        size = size_of(event)
        if self.json_reader(event) is None:
            return size, elements_of(event)
        # A protocol buffer message is read as JSON, which is larger and takes longer.
        return size * _JSON_PER_BYTE, size

    @cached_property
    def definition(self) -> bytes:
        """The serialized sources, from which `sources_of` makes equal ones in another process."""
        settings = [each.model_dump_json(exclude_defaults=True) for each in self.settings]
        return msgspec.json.encode(_Definition(settings, self.type_prefix, self.descriptors))


class _Definition(msgspec.Struct, frozen=True):
    settings: list[str]
    type_prefix: str
    descriptors: DescriptorSets


NO_SOURCES = Sources()


def sources_of(definition: bytes) -> Sources:
    """Return the sources from their serialized definition."""
    parts = msgspec.json.decode(definition, type=_Definition)
    settings = [SourceSettings.model_validate_json(each) for each in parts.settings]
    return Sources(settings, parts.type_prefix, parts.descriptors)


def faults_of(
    sources: Sequence[SourceSettings],
) -> Iterator[tuple[Location, ExpressionError | str]]:
    """Yield what is wrong with sources, with its location: index, then names."""
    for index, source in enumerate(sources):
        for location, error in mapping.mistakes(source.event):
            yield (index, "event", *location), error
        if source.protobuf is not None:
            mistake = mapping.name_mistake(source.protobuf.message)
            if mistake is not None:
                yield (index, "protobuf", "message"), mistake
    for one, other in combinations(range(len(sources)), 2):
        problem = _conflict(sources[one], sources[other])
        if problem is not None:
            yield (other,), problem


def _conflict(one: SourceSettings, other: SourceSettings) -> str | None:
    if one.name == other.name:
        return f"the source {one.shown} is given twice"
    if one.stream != other.stream or _decoding(one) == _decoding(other):
        return None
    if may_meet(one.subject or _ALL, other.subject or _ALL):
        return (
            f"{other.shown} and {one.shown} may have the same messages, and make different events "
            "of them: give both the same 'decode' and 'event', or subjects that do not overlap"
        )
    return None


def _decoding(source: SourceSettings) -> dict[str, object]:
    return source.model_dump(include=set(DECODING))
