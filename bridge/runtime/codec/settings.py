"""The settings of the codec, the same for the daemon and the workers."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Self
from urllib.parse import urlsplit

from pydantic import ConfigDict, Field, SecretStr, model_validator

from bridge.runtime.codec.keys import keys_of, read_keys
from bridge.runtime.durations import Duration
from bridge.runtime.errors import KeyFileError
from bridge.runtime.host_header import is_loopback
from bridge.runtime.strict import NoTruthForNumber

# Annotated: `workflows.environment` reads the file of a setting whose own type is SecretStr, and
# KEYS_FILE is a setting of its own here.
_Key = Annotated[SecretStr, Field(min_length=1)]


class CodecSettings(NoTruthForNumber):
    """How payloads are encoded before Temporal gets them. Without a setting: not at all.

    One of ``keys_file``, ``keys`` with ``current``, or ``remote``.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    keys_file: Path | None = None
    """A TOML file with ``current`` and the table ``[keys]``. It is read again while the process runs."""
    keys: Mapping[str, _Key] | None = None
    """AES keys by id: 32 bytes in base64."""
    current: str | None = None
    """The id of the key in ``keys`` that encrypts; all others only decrypt. Empty: none encrypts."""
    remote: str | None = None
    """The URL of a codec server with ``/encode`` and ``/decode``."""
    token: SecretStr | None = None
    """Sent to the codec server as ``Authorization: Bearer …``."""
    timeout: Duration = 5.0
    """Timeout of one request to the codec server."""

    @property
    def is_on(self) -> bool:
        """Whether payloads are encoded."""
        return not (self.keys_file is None and self.keys is None and self.remote is None)

    @model_validator(mode="after")
    def _is_one(self) -> Self:
        chosen = [
            name for name in ("keys_file", "keys", "remote") if getattr(self, name) is not None
        ]
        if len(chosen) > 1:
            raise ValueError(f"{' and '.join(chosen)} are both set: keep one of them")
        if self.current is not None and self.keys is None:
            raise ValueError("current belongs to keys; a file of keys has its own")
        if self.token is not None and self.remote is None:
            raise ValueError("token belongs to remote, which is not set")
        if self.keys is not None:
            texts = {key_id: key.get_secret_value() for key_id, key in self.keys.items()}
            keys_of(texts, self.current)
        if self.keys_file is not None:
            try:
                read_keys(self.keys_file)
            except KeyFileError as error:
                raise ValueError(str(error)) from None
        if self.remote is not None:
            _check_url(self.remote)
        return self


def _check_url(url: str) -> None:
    """Refuse an address that would send contents in clear, or has a secret in it."""
    try:
        parts = urlsplit(url)
        host, named = parts.hostname, parts.username or parts.password
    except ValueError:
        host, named = None, None
        parts = urlsplit("")
    if parts.scheme not in ("http", "https") or not host:
        raise ValueError("remote must have the form https://host[:port][/path]")
    if named or parts.query or parts.fragment:
        raise ValueError(
            "remote must have no user, password or query, because messages show it: use token"
        )
    if parts.scheme == "http" and not is_loopback(host):
        raise ValueError(
            "remote would receive contents unencrypted: use https, except on this machine"
        )
