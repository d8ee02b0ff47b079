"""NATS credentials of the bridge: a user JWT, an nkey, or both.

The file is a ``.creds`` file (``nsc generate creds``: a user's JWT and the seed of its key) or the
seed of an nkey (``nk -gen user``). The bridge reads it for each connection, so a renewed file needs
no restart.

nats-py would use the package ``nkeys``, which has no wheel; all dependencies of the bridge must have
one. This module implements what it needs: the encoding of a seed (two bytes of prefix, 32 of seed,
a CRC-16; base32) and an Ed25519 signature.
"""

import base64
import binascii
import re
from collections.abc import Callable
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from nats.errors import Error as NatsError

_JWT = re.compile(rb"-----BEGIN NATS USER JWT-----\s+(\S+)\s+-+END NATS USER JWT-+")
_SEED = re.compile(rb"-----BEGIN USER NKEY SEED-----\s+(\S+)\s+-+END USER NKEY SEED-+")
_SEED_OF_USER = (18 << 3 | 20 << 3 >> 5, (20 << 3 & 31) << 3)
"""The prefix of a seed ("S") of a user's key ("U"), five bits each."""
_PUBLIC_OF_USER = 20 << 3
_CRC_BYTES = 2
_DECODED_BYTES = 36


class Credentials:
    """The content of a credentials file.

    Args:
        path: The file.

    Raises:
        NatsError: The file cannot be read, or is neither a .creds file nor a seed.
    """

    def __init__(self, path: Path) -> None:
        try:
            content = path.read_bytes()
        except OSError as error:
            raise NatsError(
                f"nats.credentials: the file {path} cannot be read: {error.strerror}"
            ) from None
        jwt, seed = _JWT.search(content), _SEED.search(content)
        if (jwt is None) != (seed is None):
            missing = "JWT" if jwt is None else "seed"
            raise NatsError(f"nats.credentials: the file {path} holds no {missing}")
        self._jwt = None if jwt is None else jwt[1]
        try:
            self._key = _key_of(content.strip() if seed is None else seed[1])
        except (ValueError, binascii.Error):
            raise NatsError(
                f"nats.credentials: the file {path} is neither a .creds file nor the seed of a "
                "user's nkey (SU…)"
            ) from None

    @property
    def user_jwt(self) -> Callable[[], bytes] | None:
        """A function that returns the user's JWT; None for an nkey."""
        jwt = self._jwt
        return None if jwt is None else lambda: jwt

    @property
    def public_key(self) -> str:
        """The user's public nkey (``U…``)."""
        raw = bytes([_PUBLIC_OF_USER]) + self._key.public_key().public_bytes_raw()
        return base64.b32encode(raw + _crc(raw)).decode().rstrip("=")

    def sign(self, nonce: str) -> bytes:
        """Return the signature of a server's nonce, in base64."""
        return base64.b64encode(self._key.sign(nonce.encode()))


def _key_of(seed: bytes) -> Ed25519PrivateKey:
    """Return the private key of a user's seed.

    Raises:
        ValueError: It is not the seed of a user's key.
    """
    raw = base64.b32decode(seed + b"=" * (-len(seed) % 8))
    if (
        len(raw) != _DECODED_BYTES
        or (raw[0], raw[1]) != _SEED_OF_USER
        or _crc(raw[:-_CRC_BYTES]) != raw[-_CRC_BYTES:]
    ):
        raise ValueError("no seed of a user's nkey")
    return Ed25519PrivateKey.from_private_bytes(raw[2:-_CRC_BYTES])


def _crc(content: bytes) -> bytes:
    # CRC-16/XMODEM, as crc_hqx computes it.
    return binascii.crc_hqx(content, 0).to_bytes(_CRC_BYTES, "little")
