"""Keys, JWTs and credentials files of NATS, made as `nsc` and `nk` make them."""

import base64
import binascii
import json
import time
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

_KINDS = {"operator": 14, "account": 0, "user": 20}
_SEED = 18


class Key:
    """A key of one of these kinds."""

    def __init__(self, kind: str) -> None:
        self._prefix = _KINDS[kind] << 3
        self._key = Ed25519PrivateKey.generate()

    @property
    def public(self) -> str:
        return _encoded(bytes([self._prefix]) + self._key.public_key().public_bytes_raw())

    @property
    def seed(self) -> str:
        first = _SEED << 3 | self._prefix >> 5
        second = (self._prefix & 31) << 3
        return _encoded(bytes([first, second]) + self._key.private_bytes_raw())

    def jwt(self, subject: str, name: str, nats: dict[str, Any]) -> str:
        """A claim about a subject, signed by this key."""
        claim = {
            "jti": name,
            "iat": int(time.time()),
            "iss": self.public,
            "sub": subject,
            "name": name,
            "nats": {"version": 2, **nats},
        }
        head = _part({"typ": "JWT", "alg": "ed25519-nkey"})
        body = f"{head}.{_part(claim)}"
        signature = base64.urlsafe_b64encode(self._key.sign(body.encode())).decode().rstrip("=")
        return f"{body}.{signature}"


def creds(jwt: str, seed: str) -> str:
    """A ``.creds`` file."""
    return (
        f"-----BEGIN NATS USER JWT-----\n{jwt}\n------END NATS USER JWT------\n\n"
        "************************* IMPORTANT *************************\n\n"
        f"-----BEGIN USER NKEY SEED-----\n{seed}\n------END USER NKEY SEED------\n"
    )


def _part(value: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


def _encoded(raw: bytes) -> str:
    crc = binascii.crc_hqx(raw, 0).to_bytes(2, "little")
    return base64.b32encode(raw + crc).decode().rstrip("=")
