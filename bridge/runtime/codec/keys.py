"""`KeyFile` and `FixedKeys`: the keys that are known, and the one that encrypts."""

import base64
import binascii
import re
import time
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import structlog

from bridge.runtime.errors import KeyFileError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_log = structlog.get_logger(__name__)

KEY_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_KEY_BYTES = 32
_READ_EVERY_SECONDS = 1.0
_MAX_FILE_BYTES = 2**16
_PLACE = re.compile(r"\(at [^)]*\)\Z")


@dataclass(frozen=True, slots=True)
class Keys:
    """The keys by id, and the id of the one that encrypts."""

    current: str
    """Empty: payloads are decrypted, and none is encrypted; for switching the codec on and off."""
    ciphers: Mapping[str, "AESGCM"] = field(repr=False)

    @property
    def ids(self) -> str:
        """The ids, for messages."""
        return ", ".join(sorted(self.ciphers))


class KeyRing(Protocol):
    """Where a codec takes its keys from."""

    def keys(self) -> Keys:
        """Return the keys; a change of their source may be seen up to a second later."""
        ...

    def newest(self) -> Keys:
        """Return the keys after looking at their source now: a payload has an unknown key."""
        ...

    @property
    def origin(self) -> str:
        """Where a key is added, for messages."""
        ...


class FixedKeys:
    """Keys from the settings: a change needs a restart."""

    origin = "the setting codec.keys"

    def __init__(self, keys: Keys) -> None:
        self._keys = keys

    def keys(self) -> Keys:
        """Return the keys."""
        return self._keys

    def newest(self) -> Keys:
        """Return the keys."""
        return self._keys


class KeyFile:
    """Keys from a TOML file that is read again while the process runs.

    A file that becomes unreadable or wrong changes nothing: the last keys stay in use, and the log has
    the reason once.

    Raises:
        KeyFileError: The file cannot be read now.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._content = _content(path)
        self._keys = _parsed(path, self._content)
        self._read_at = time.monotonic()
        self._problem: str | None = None

    @property
    def origin(self) -> str:
        """The file."""
        return f"the file {self._path}"

    @property
    def problem(self) -> str | None:
        """Why the file cannot be read now; None if it can."""
        return self._problem

    def keys(self) -> Keys:
        """Return the keys of the file, as of a second ago at most."""
        if time.monotonic() - self._read_at >= _READ_EVERY_SECONDS:
            self._read()
        return self._keys

    def newest(self) -> Keys:
        """Read the file now and return its keys."""
        self._read()
        return self._keys

    def _read(self) -> None:
        # Its content is compared, not its time: a mounted secret may keep the time. It is small and local.
        self._read_at = time.monotonic()
        try:
            content = _content(self._path)
            if content != self._content:
                before, self._keys = self._keys, _parsed(self._path, content)
                self._content = content
                _log.info(
                    "codec.keys_changed",
                    current=self._keys.current,
                    known=self._keys.ids,
                    current_before=before.current,
                )
        except KeyFileError as error:
            if self._problem != str(error):
                _log.warning(
                    "codec.keys_not_read",
                    error=str(error),
                    next_step="correct the file; the keys that were read before stay in use",
                )
            self._problem = str(error)
        else:
            self._problem = None


def keys_of(texts: Mapping[str, str], current: str | None) -> Keys:
    """Return the keys from their base64 texts.

    Raises:
        ValueError: An id or a key is wrong, or no key is current. The message has no key.
    """
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415 - settings are read without a codec too

    ciphers = {}
    for key_id, text in texts.items():
        if not KEY_ID.fullmatch(key_id):
            raise ValueError(
                f"the key id {key_id[:80]!r} must have 1 to 64 letters, digits, '.', '_' or '-'"
            )
        ciphers[key_id] = AESGCM(_key(key_id, text))
    if current is None:
        raise ValueError(
            "'current' is missing: name the key that encrypts, or write \"\" to only decrypt"
        )
    if current and current not in ciphers:
        raise ValueError(f"'current' names {current[:80]!r}, which is none of the keys")
    return Keys(current, ciphers)


def read_keys(path: Path) -> Keys:
    """Return the keys of a file.

    Raises:
        KeyFileError: The file cannot be read; the message has no key.
    """
    return _parsed(path, _content(path))


def _key(key_id: str, text: str) -> bytes:
    try:
        key = base64.b64decode(text.strip(), validate=True)
    except (binascii.Error, ValueError):
        raise ValueError(f"the key {key_id!r} is not base64") from None
    if len(key) != _KEY_BYTES:
        raise ValueError(
            f"the key {key_id!r} has {len(key)} bytes; it must have {_KEY_BYTES}: create one with "
            "'openssl rand -base64 32'"
        )
    return key


def _content(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(_MAX_FILE_BYTES + 1)
    except OSError as error:
        raise KeyFileError(
            f"the file of keys {path} cannot be read: {error.strerror}"
        ) from None
    if len(content) > _MAX_FILE_BYTES:
        raise KeyFileError(f"the file of keys {path} has more than {_MAX_FILE_BYTES} bytes")
    return content


def _parsed(path: Path, content: bytes) -> Keys:
    try:
        found = tomllib.loads(content.decode())
    except UnicodeDecodeError:
        raise KeyFileError(f"the file of keys {path} is not UTF-8 text") from None
    except tomllib.TOMLDecodeError as error:
        # Only the place: the rest of the message may quote a key.
        place = _PLACE.search(str(error))
        raise KeyFileError(
            f"the file of keys {path} is not TOML, or gives a key twice"
            f"{f' {place[0]}' if place else ''}"
        ) from None
    keys, current = found.pop("keys", None), found.pop("current", None)
    if found:
        raise KeyFileError(
            f"the file of keys {path} has more than 'current' and the table [keys]"
        )
    if not isinstance(keys, dict) or not all(isinstance(key, str) for key in keys.values()):
        raise KeyFileError(
            f"the file of keys {path} needs a table [keys] of base64 texts by key id"
        )
    if not isinstance(current, str | None):
        raise KeyFileError(f"'current' in the file of keys {path} is not a key id")
    try:
        return keys_of(keys, current)
    except ValueError as error:
        raise KeyFileError(f"the file of keys {path}: {error}") from None
