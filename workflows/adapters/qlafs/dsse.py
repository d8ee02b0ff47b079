"""DSSE envelopes, version 1 (github.com/secure-systems-lab/dsse, protocol.md)."""

from base64 import b64decode, b64encode
from collections.abc import Mapping
from hashlib import sha256

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import (
    Ed25519PrivateKey,
    Ed25519PublicKey,
)

from workflows.adapters.qlafs.keys import key_id
from workflows.errors import NotGenuineError
from workflows.messages.provenance import Signature, SignedEnvelope

IN_TOTO = "application/vnd.in-toto+json"


def sign(
    payload: bytes, key: Ed25519PrivateKey, *, payload_type: str = IN_TOTO
) -> SignedEnvelope:
    """Put a payload into an envelope and sign it."""
    signature = key.sign(_pre_authentication(payload_type, payload))
    return SignedEnvelope(
        payloadType=payload_type,
        payload=b64encode(payload).decode(),
        signatures=(
            Signature(keyid=key_id(key.public_key()), sig=b64encode(signature).decode()),
        ),
    )


def payload_of(envelope: SignedEnvelope) -> bytes:
    """Return the payload, unchecked.

    Raises:
        NotGenuineError: It is not canonical base64.
    """
    return _decoded(envelope.payload)


def opened(envelope: SignedEnvelope, trusted: Mapping[str, Ed25519PublicKey]) -> bytes:
    """Return the payload of an envelope that only trusted keys signed.

    Raises:
        NotGenuineError: A signature is missing, invalid or by another key.
    """
    if envelope.payloadType != IN_TOTO:
        raise NotGenuineError(f"its payload is of type {envelope.payloadType!r}")
    if not envelope.signatures:
        raise NotGenuineError("it has no signature")
    payload = payload_of(envelope)
    message = _pre_authentication(envelope.payloadType, payload)
    for signature in envelope.signatures:
        key = trusted.get(signature.keyid)
        if key is None:
            raise NotGenuineError(
                f"it is signed with a key that is not trusted: {signature.keyid}"
            )
        try:
            key.verify(_decoded(signature.sig), message)
        except InvalidSignature as error:
            raise NotGenuineError("the signature does not match its content") from error
    return payload


def digest(payload: bytes) -> str:
    """Return the digest by which the next statement of a chain refers to this one."""
    return sha256(payload).hexdigest()


def _pre_authentication(payload_type: str, payload: bytes) -> bytes:
    """Return the signed bytes (PAE in the specification)."""
    kind = payload_type.encode()
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


def _decoded(text: str) -> bytes:
    """Decode canonical base64 only, in which unused bits are zero."""
    try:
        data = b64decode(text, validate=True)
    except ValueError as error:
        raise NotGenuineError(f"a part of it is not base64: {error}") from error
    if b64encode(data).decode() != text:
        raise NotGenuineError("a part of it is not canonical base64")
    return data
