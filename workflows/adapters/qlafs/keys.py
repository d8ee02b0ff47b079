"""Keys for signing and verification: PEM files, Ed25519."""

import os
from collections.abc import Iterable
from contextlib import suppress
from hashlib import sha256
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import (
    Ed25519PrivateKey,
    Ed25519PublicKey,
)
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from workflows.errors import InvalidSettingError

KEY = "qlafs.key"
"""The private key's file in a state folder; the public one is beside it, as ``qlafs.pub``."""


def load_or_make(path: Path) -> Ed25519PrivateKey:
    """Return the key in a file; create it if it is missing.

    Several processes may call this at once: one creates the key, all return the same.

    Raises:
        InvalidSettingError: The file has no such key, or cannot be created.
    """
    with suppress(FileNotFoundError):
        return load_private(path)
    made = Ed25519PrivateKey.generate()
    pem = made.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    half = path.with_name(f".{path.name}.{os.getpid()}.{os.urandom(4).hex()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        half.touch(mode=0o600)
        half.write_bytes(pem)
        with suppress(FileExistsError):  # another process was faster: use its key
            os.link(half, path)
        half.unlink()
    except OSError as error:
        raise InvalidSettingError(f"cannot create a key in {path}: {error}") from error
    key = load_private(path)
    _publish(key, path.with_suffix(".pub"))
    return key


def load_private(path: Path) -> Ed25519PrivateKey:
    """Return the private key in a file.

    Raises:
        FileNotFoundError: The file does not exist.
        InvalidSettingError: It has no unencrypted Ed25519 key.
    """
    try:
        key = load_pem_private_key(path.read_bytes(), password=None)
    except FileNotFoundError:
        raise
    except (OSError, ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise InvalidSettingError(f"{path} has no key for signing: {error}") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise InvalidSettingError(f"{path} needs an Ed25519 key, but has {type(key).__name__}")
    return key


def load_public(paths: Iterable[Path]) -> dict[str, Ed25519PublicKey]:
    """Return the public keys in files, by their ids.

    Raises:
        InvalidSettingError: One of them has no such key.
    """
    keys = {}
    for path in paths:
        try:
            pem = path.read_bytes()
        except OSError as error:
            raise InvalidSettingError(f"{path} has no key for verification: {error}") from error
        key = public_key(pem, str(path))
        keys[key_id(key)] = key
    return keys


def public_key(pem: bytes, where: str) -> Ed25519PublicKey:
    """Return the public key in PEM text.

    Raises:
        InvalidSettingError: It is no such key; the message says where it is from.
    """
    try:
        key = load_pem_public_key(pem)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise InvalidSettingError(f"{where} has no key for verification: {error}") from error
    if not isinstance(key, Ed25519PublicKey):
        raise InvalidSettingError(f"{where} needs an Ed25519 key, but has {type(key).__name__}")
    return key


def pem_of(key: Ed25519PublicKey) -> bytes:
    """Return a public key as PEM text."""
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def key_id(key: Ed25519PublicKey) -> str:
    """Return the id of a key: the SHA-256 of its 32 bytes."""
    return sha256(key.public_bytes(Encoding.Raw, PublicFormat.Raw)).hexdigest()


def _publish(key: Ed25519PrivateKey, path: Path) -> None:
    half = path.with_name(f".{path.name}.{os.getpid()}.{os.urandom(4).hex()}")
    half.write_bytes(pem_of(key.public_key()))
    half.replace(path)
