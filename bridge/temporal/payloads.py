"""`PayloadTransit`: encodes the payloads of requests and decodes those of answers.

The bridge sends raw requests (docs/decisions/0004), so it applies the codec, and stores large payloads
elsewhere (`bridge.runtime.payload_store`), where the SDK's client would. Every request passes `encode`, whatever its kind: a new field cannot be forgotten. Answers are
decoded only where they are read, because a key that is missing for something else must not matter.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace

import msgspec
from google.protobuf.message import Message
from temporalio.api.common.v1 import Header, Payload, SearchAttributes
from temporalio.api.failure.v1 import Failure
from temporalio.common import RawValue
from temporalio.converter import DataConverter, ExternalStorage, PayloadCodec

from bridge.operations.calls import CallError
from bridge.runtime.codec.encryption import key_id_of
from bridge.runtime.errors import (
    CodecError,
    ObjectMissingError,
    ObjectStoreError,
    PayloadTooLargeError,
)
from bridge.runtime.payload_store.reference import is_reference

_MAX_CAUSES = 20
_READABLE = (SearchAttributes, Header)
"""Not encoded: Temporal indexes search attributes; a header has only the trace context (`tracing`), and
workers in other languages do not decode headers."""


class PayloadTransit:
    """Applies a codec and a payload store to messages.

    Without a codec, it notices encrypted payloads; without a store, references.

    All methods raise `CallError`: the payloads cannot be encoded or decoded now. They are not at fault,
    so the error is one of the environment, and the call is repeated. Only ``DATA_LOSS`` is final: a
    stored payload is gone.

    Args:
        codec: The codec of the client's data converter.
        storage: Its store of large payloads.
    """

    def __init__(
        self, codec: PayloadCodec | None, storage: ExternalStorage | None = None
    ) -> None:
        self._works = codec is not None or storage is not None
        self._has_codec = codec is not None
        self._has_store = storage is not None
        # Of values that are payloads already, the converter only encodes and stores.
        self._converter = replace(
            DataConverter.default, payload_codec=codec, external_storage=storage
        )

    async def encode(self, request: Message) -> None:
        """Encode the payloads of a request in place."""
        found = list(_payloads_in(request)) if self._works else []
        if not found:
            return
        with _translated():
            encoded = await self._converter.encode([RawValue(each) for each in found])
        for payload, new in zip(found, encoded, strict=True):
            payload.CopyFrom(new)

    async def decode(self, payloads: Sequence[Payload]) -> None:
        """Decode payloads in place."""
        if not payloads:
            return
        if not self._has_store:
            _refuse_references(payloads)
        if self._works:
            with _translated():
                decoded = await self._converter.decode(payloads, [RawValue] * len(payloads))
            for payload, new in zip(payloads, decoded, strict=True):
                payload.CopyFrom(new.payload)
        if not self._has_codec:
            _refuse_encrypted(payloads)

    async def decode_fields(self, fields: Mapping[str, Payload], names: Sequence[str]) -> None:
        """Decode the named fields of a memo in place."""
        await self.decode([fields[name] for name in names if name in fields])

    async def decode_failure(self, failure: Failure) -> None:
        """Decode the message of a failure and of its causes in place."""
        chain = list(_causes(failure))
        await self.decode(
            [each.encoded_attributes for each in chain if each.HasField("encoded_attributes")]
        )
        for each in chain:
            if each.HasField("encoded_attributes"):
                each.message = _message(each.encoded_attributes) or each.message


class _Attributes(msgspec.Struct):
    """What every SDK writes into ``encoded_attributes`` of a failure."""

    message: str = ""


def _message(attributes: Payload) -> str:
    try:
        return msgspec.json.decode(attributes.data, type=_Attributes).message
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return ""  # encoded by a codec of others


def _causes(failure: Failure) -> Iterator[Failure]:
    for _ in range(_MAX_CAUSES):
        yield failure
        if not failure.HasField("cause"):
            return
        failure = failure.cause


def _payloads_in(message: Message) -> Iterator[Payload]:
    """Yield the payloads of a message, at any depth."""
    for field, value in message.ListFields():
        if field.message_type is None:
            continue
        if isinstance(value, Message):
            parts: Iterator[object] = iter((value,))
        else:
            parts = iter(value.values() if isinstance(value, Mapping) else value)
        for part in parts:
            if isinstance(part, Payload):
                yield part
            elif isinstance(part, Message) and not isinstance(part, _READABLE):
                yield from _payloads_in(part)


def _refuse_encrypted(payloads: Sequence[Payload]) -> None:
    for payload in payloads:
        if (key_id := key_id_of(payload)) is not None:
            raise CallError(
                "FAILED_PRECONDITION",
                f"a payload is encrypted with the key {key_id!r}, and this process has no codec: set "
                "temporal.codec",
                misconfigured=True,
            )


def _refuse_references(payloads: Sequence[Payload]) -> None:
    if any(map(is_reference, payloads)):
        raise CallError(
            "FAILED_PRECONDITION",
            "a payload is in an object store, and this process has none: set temporal.payloads.store",
            misconfigured=True,
        )


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except ObjectMissingError as error:
        raise CallError("DATA_LOSS", str(error)) from error
    except PayloadTooLargeError as error:
        raise CallError("INVALID_ARGUMENT", str(error)) from error
    except ObjectStoreError as error:
        # Not UNAVAILABLE: Temporal is there, and smaller payloads go on.
        raise CallError("ABORTED", str(error)) from error
    except CodecError as error:
        if error.unreachable:
            raise CallError("UNAVAILABLE", str(error)) from error
        raise CallError("FAILED_PRECONDITION", str(error), misconfigured=True) from error
    except ValueError as error:
        # The SDK's: a reference of a driver that this process does not have.
        raise CallError("FAILED_PRECONDITION", str(error), misconfigured=True) from error
