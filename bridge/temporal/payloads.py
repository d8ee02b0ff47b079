"""`PayloadTransit`: encodes the payloads of requests and decodes those of answers.

The bridge sends raw requests (docs/decisions/0004), so it applies the codec itself, where the SDK's client
would. Every request passes `encode`, whatever its kind: a new field cannot be forgotten. Answers are
decoded only where they are read, because a key that is missing for something else must not matter.
"""

from collections.abc import Iterator, Mapping, Sequence

import msgspec
from google.protobuf.message import Message
from temporalio.api.common.v1 import Header, Payload, SearchAttributes
from temporalio.api.failure.v1 import Failure
from temporalio.converter import PayloadCodec

from bridge.operations.calls import CallError
from bridge.runtime.codec.encryption import key_id_of
from bridge.runtime.errors import CodecError

_MAX_CAUSES = 20
_READABLE = (SearchAttributes, Header)
"""Not encoded: Temporal indexes search attributes; a header has only the trace context (`tracing`), and
workers in other languages do not decode headers."""


class PayloadTransit:
    """Applies a codec to messages. Without one, it only notices encrypted payloads.

    All methods raise `CallError`: the payloads cannot be encoded or decoded now. They are not at fault,
    so the error is one of the environment, and the call is repeated.

    Args:
        codec: The codec of the client's data converter.
    """

    def __init__(self, codec: PayloadCodec | None) -> None:
        self._codec = codec

    async def encode(self, request: Message) -> None:
        """Encode the payloads of a request in place."""
        if self._codec is None:
            return
        found = list(_payloads_in(request))
        if not found:
            return
        try:
            encoded = await self._codec.encode(found)
        except CodecError as error:
            raise _call_error(error) from error
        for payload, new in zip(found, encoded, strict=True):
            payload.CopyFrom(new)

    async def decode(self, payloads: Sequence[Payload]) -> None:
        """Decode payloads in place."""
        if not payloads:
            return
        if self._codec is None:
            _refuse_encrypted(payloads)
            return
        try:
            decoded = await self._codec.decode(payloads)
        except CodecError as error:
            raise _call_error(error) from error
        for payload, new in zip(payloads, decoded, strict=True):
            payload.CopyFrom(new)

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


def _call_error(error: CodecError) -> CallError:
    if error.unreachable:
        return CallError("UNAVAILABLE", str(error))
    return CallError("FAILED_PRECONDITION", str(error), misconfigured=True)
