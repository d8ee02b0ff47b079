"""`EncryptionCodec`: AES-256-GCM, in the format of the encryption samples of Temporal's SDKs."""

import asyncio
import os
from collections.abc import Callable, Sequence
from typing import TypeVar

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from google.protobuf.message import DecodeError
from temporalio.api.common.v1 import Payload
from temporalio.converter import PayloadCodec
from typing_extensions import override

from bridge.runtime.codec.keys import KeyRing, Keys
from bridge.runtime.errors import CodecError

ENCRYPTED = b"binary/encrypted"
"""The encoding of an encrypted payload."""
KEY_ID = "encryption-key-id"
"""The metadata field that names the key."""

_NONCE_BYTES = 12
_INLINE_BYTES = 256 * 2**10
"""More bytes than these are encrypted in a thread, which leaves the event loop free."""

Result = TypeVar("Result")


def key_id_of(payload: Payload) -> str | None:
    """Return the id of the key of an encrypted payload; None if it is not encrypted."""
    if payload.metadata.get("encoding") != ENCRYPTED:
        return None
    return payload.metadata.get(KEY_ID, b"").decode(errors="replace")[:80]


class EncryptionCodec(PayloadCodec):
    """Encrypts with the current key, and decrypts with the key that a payload names.

    Safe for concurrent callers. Payloads that are not encrypted are returned unchanged.
    """

    def __init__(self, ring: KeyRing) -> None:
        self._ring = ring

    @property
    def keys(self) -> Keys:
        """The keys in use."""
        return self._ring.keys()

    @override
    async def encode(self, payloads: Sequence[Payload]) -> list[Payload]:
        """Encrypt each payload as a whole, its metadata included."""
        keys = self._ring.keys()
        if not keys.current:
            return list(payloads)
        current, cipher = keys.current.encode(), keys.ciphers[keys.current]
        return await _worked(payloads, lambda each: _encrypted(each, current, cipher))

    @override
    async def decode(self, payloads: Sequence[Payload]) -> list[Payload]:
        """Decrypt the encrypted payloads.

        Raises:
            CodecError: A key is not known, or does not fit.
        """
        keys = self._ring.keys()
        needed = {key_id for each in payloads if (key_id := key_id_of(each)) is not None}
        if not needed:
            return list(payloads)
        if not needed <= keys.ciphers.keys():
            keys = self._ring.newest()
        for key_id in needed - keys.ciphers.keys():
            raise CodecError(
                f"a payload is encrypted with the key {key_id!r}, which is not known here (known: "
                f"{keys.ids}): add it to {self._ring.origin}"
            )
        return await _worked(payloads, lambda each: _decrypted(each, keys))


async def _worked(
    payloads: Sequence[Payload], work: Callable[[Payload], Payload]
) -> list[Payload]:
    def all_of() -> list[Payload]:
        return [work(each) for each in payloads]

    if sum(len(each.data) for each in payloads) <= _INLINE_BYTES:
        return all_of()
    return await asyncio.to_thread(all_of)


def _encrypted(payload: Payload, key_id: bytes, cipher: AESGCM) -> Payload:
    nonce = os.urandom(_NONCE_BYTES)
    return Payload(
        metadata={"encoding": ENCRYPTED, KEY_ID: key_id},
        data=nonce + cipher.encrypt(nonce, payload.SerializeToString(), None),
    )


def _decrypted(payload: Payload, keys: Keys) -> Payload:
    key_id = key_id_of(payload)
    if key_id is None:
        return payload
    try:
        nonce, sealed = payload.data[:_NONCE_BYTES], payload.data[_NONCE_BYTES:]
        return Payload.FromString(keys.ciphers[key_id].decrypt(nonce, sealed, None))
    except (InvalidTag, ValueError, DecodeError):
        raise CodecError(
            f"a payload cannot be decrypted with the key {key_id!r}: the sender has another key under "
            "this id, or the payload was changed"
        ) from None
