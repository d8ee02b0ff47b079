"""Protocol buffer messages as JSON, by compiled descriptor sets. Pure.

A descriptor set is what ``protoc --include_imports --descriptor_set_out=FILE`` (or ``buf build -o
FILE``) writes. The JSON has the fields' names as in the ``.proto`` file, and fields without a value
have their default: expressions need no ``has``. Otherwise it is the proto3 JSON mapping: 64-bit
integers are strings, bytes are base64, enums are names.

The JSON of a message is always the same, byte for byte: members are sorted, because the order of map
entries differs from process to process.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec
from google.protobuf import (
    any_pb2,
    descriptor_pb2,
    descriptor_pool,
    duration_pb2,
    empty_pb2,
    field_mask_pb2,
    json_format,
    message_factory,
    struct_pb2,
    timestamp_pb2,
    wrappers_pb2,
)
from google.protobuf import message as protobuf_message

from bridge.errors import DecodeError
from eventstore.json_data import MAX_NESTING, is_deep

PER_BYTE_SECONDS = 8e-6
"""Time to convert a byte to JSON, for the limit of what runs on the event loop. Measured on a small
virtual machine: 4 µs for a repeated integer, 40 µs for a repeated message of default values."""
_WELL_KNOWN = {
    module.DESCRIPTOR.name: module.DESCRIPTOR.serialized_pb
    for module in (
        any_pb2,
        descriptor_pb2,
        duration_pb2,
        empty_pb2,
        field_mask_pb2,
        struct_pb2,
        timestamp_pb2,
        wrappers_pb2,
    )
}


class Descriptors:
    """The message types of descriptor sets.

    Args:
        sets: The content of the descriptor sets, by file name.

    Raises:
        ValueError: One is not a descriptor set, or lacks a file that it imports.
    """

    def __init__(self, sets: Mapping[str, bytes]) -> None:
        self._pool = descriptor_pool.DescriptorPool()
        self._classes: dict[str, Any] = {}
        files: dict[str, descriptor_pb2.FileDescriptorProto] = {}
        for where, content in sets.items():
            for file in _files_in(where, content):
                known = files.setdefault(file.name, file)
                if known != file:
                    raise ValueError(f"{where}: another set has a different {file.name}")
        added = set[str]()
        for name in files:
            self._add(name, files, added, ())

    def check(self, name: str) -> None:
        """Check that there is a message type.

        Raises:
            DecodeError: There is none of this name.
        """
        self._class_of(name)

    def json_of(self, name: str, payload: bytes) -> bytes:
        """Return a message as JSON.

        Raises:
            DecodeError: There is no such message type, or the bytes are not one of it.
        """
        try:
            message = self._class_of(name).FromString(payload)
            value = json_format.MessageToDict(
                message,
                preserving_proto_field_name=True,
                always_print_fields_with_no_presence=True,
                descriptor_pool=self._pool,
            )
            found = msgspec.json.encode(value, order="sorted")
        except (
            protobuf_message.DecodeError,
            json_format.Error,
            ValueError,
            TypeError,
        ) as error:
            raise DecodeError("protobuf", f"the message is not a {name}: {error}") from None
        except RecursionError:
            raise DecodeError("nesting", "the message is nested too deeply") from None
        if is_deep(found):
            raise DecodeError("nesting", f"its JSON is nested more than {MAX_NESTING} deep")
        return found

    def _class_of(self, name: str) -> Any:
        if name not in self._classes:
            try:
                found = self._pool.FindMessageTypeByName(name)
            except KeyError:
                raise DecodeError(
                    "protobuf", f"the descriptor sets have no message type {name!r}"
                ) from None
            self._classes[name] = message_factory.GetMessageClass(found)
        return self._classes[name]

    def _add(
        self,
        name: str,
        files: Mapping[str, descriptor_pb2.FileDescriptorProto],
        added: set[str],
        within: Sequence[str],
    ) -> None:
        """Add a file after those that it imports."""
        if name in added:
            return
        if name in within:
            raise ValueError(f"{name} imports itself: {' → '.join([*within, name])}")
        file = files.get(name)
        serialized = _WELL_KNOWN.get(name) if file is None else file.SerializeToString()
        if serialized is None:
            raise ValueError(
                f"the descriptor set lacks {name}, which {within[-1]} imports: make it with "
                "'protoc --include_imports'"
            )
        read = descriptor_pb2.FileDescriptorProto.FromString(serialized)
        for imported in read.dependency:
            self._add(imported, files, added, (*within, name))
        try:
            self._pool.AddSerializedFile(serialized)
        except TypeError as error:
            raise ValueError(f"{name}: {error}") from None
        added.add(name)


def _files_in(where: str, content: bytes) -> Iterator[descriptor_pb2.FileDescriptorProto]:
    try:
        found = descriptor_pb2.FileDescriptorSet.FromString(content)
    except protobuf_message.DecodeError:
        raise ValueError(f"{where} is not a compiled descriptor set") from None
    if not found.file:
        raise ValueError(f"{where} is not a compiled descriptor set: it has no files")
    yield from found.file
