"""The connection to a namespace of Temporal: its settings. `bridge.runtime.temporal_client` connects.

The settings have the names of Temporal's own variables without ``TEMPORAL_``, in lower case, so that
``TEMPORAL_TLS_CLIENT_CERT_PATH`` and ``tls_client_cert_path`` are the same. `bridge.runtime.temporal_config`
reads those variables and ``temporal.toml``.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Self

from pydantic import ConfigDict, Field, model_validator

from bridge.runtime.errors import ClearTextKeyError, ConnectionFileError
from bridge.runtime.host_header import is_loopback
from bridge.runtime.strict import NoTruthForNumber

if TYPE_CHECKING:
    from temporalio.service import TLSConfig

ALTERNATIVES = (
    ("api_key", "api_key_file"),
    ("tls_server_ca_cert_path", "tls_server_ca_cert_data"),
    ("tls_client_cert_path", "tls_client_cert_data"),
    ("tls_client_key_path", "tls_client_key_data"),
)
"""Settings of which at most one may be set: the value, or the file that contains it."""

SECRETS = frozenset({"api_key", "tls_client_key_data", "grpc_meta"})
"""Settings whose values no message may show."""

DEFAULT_PORT = 7233
"""Port of Temporal's frontend."""

_TLS_DETAILS = (
    "tls_server_name",
    *(name for pair in ALTERNATIVES[1:] for name in pair),
)


class TemporalConnection(NoTruthForNumber):
    """How to reach one namespace of Temporal."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    address: str = Field("127.0.0.1:7233", pattern=r"^[^\s/]+:\d{1,5}$")
    """Temporal's frontend, host:port."""
    namespace: str = Field("default", min_length=1)
    api_key: str | None = Field(None, repr=False)
    api_key_file: Path | None = None
    """A file that contains the API key; it is read again when it changes."""
    tls: bool | None = None
    """Default: TLS if there is an API key or any of the ``tls_…`` settings."""
    tls_server_name: str | None = Field(None, min_length=1)
    """Name that the server's certificate must have; default: the host of ``address``."""
    tls_server_ca_cert_path: Path | None = None
    """The certificate authorities that may have signed the server's certificate (PEM); default: those
    of the system."""
    tls_server_ca_cert_data: str | None = Field(None, repr=False)
    tls_client_cert_path: Path | None = None
    """The client certificate (PEM), with intermediate ones after it."""
    tls_client_cert_data: str | None = Field(None, repr=False)
    tls_client_key_path: Path | None = None
    """The private key of the client certificate (PEM, not encrypted)."""
    tls_client_key_data: str | None = Field(None, repr=False)
    grpc_meta: Mapping[str, str] = Field(default_factory=dict, repr=False)
    """Headers of every call."""
    profile: str | None = Field(None, min_length=1)
    """The profile of ``temporal.toml`` from which unset settings come."""
    config_file: Path | None = None
    """That file; default: ``temporalio/temporal.toml`` in the user's folder of configuration."""

    @model_validator(mode="after")
    def _fits(self) -> Self:
        for value, file in ALTERNATIVES:
            if getattr(self, value) is not None and getattr(self, file) is not None:
                raise ValueError(f"{value} and {file} are both set: remove one of them")
        has_cert = self.tls_client_cert_path or self.tls_client_cert_data
        has_key = self.tls_client_key_path or self.tls_client_key_data
        if bool(has_cert) != bool(has_key):
            lacking, given = ("key", "cert") if has_cert else ("cert", "key")
            raise ValueError(
                f"tls_client_{given}_path is set without tls_client_{lacking}_path: a client "
                "certificate needs its private key; set both"
            )
        check_api_key(self.address, self.api_key or self.api_key_file, tls=self.tls)
        return self

    @property
    def is_encrypted(self) -> bool:
        """Whether the connection uses TLS."""
        if self.tls is not None:
            return self.tls
        has_details = any(getattr(self, name) is not None for name in _TLS_DETAILS)
        return has_details or self.api_key is not None or self.api_key_file is not None

    @property
    def is_local(self) -> bool:
        """Whether Temporal's address is a loopback address."""
        return is_loopback(self.host)

    @property
    def host(self) -> str:
        """The host of the address."""
        return self.address.rpartition(":")[0].strip("[]")

    @property
    def files(self) -> tuple[Path, ...]:
        """The files that a client is made from. A client must be renewed when one changes."""
        named = ("api_key_file", *(path for path, _ in ALTERNATIVES[1:]))
        return tuple(path for name in named if (path := getattr(self, name)) is not None)

    def read_api_key(self) -> str | None:
        """Return the API key, read from its file if it is in one.

        Raises:
            ConnectionFileError: The file cannot be read, or is empty.
        """
        if self.api_key_file is None:
            return self.api_key or None
        try:
            key = _content("api_key_file", self.api_key_file).decode().strip()
        except UnicodeDecodeError:
            raise _unusable("api_key_file", self.api_key_file, "is not UTF-8 text") from None
        if not key:
            raise _unusable("api_key_file", self.api_key_file, "is empty")
        return key

    def tls_config(self) -> "TLSConfig | bool":
        """Return the value of the SDK's argument ``tls``, with the current content of the files.

        Raises:
            ConnectionFileError: A file cannot be read.
        """
        from temporalio.service import TLSConfig  # noqa: PLC0415 - slow to import

        if not self.is_encrypted:
            return False
        return TLSConfig(
            domain=self.tls_server_name,
            server_root_ca_cert=self._pem("tls_server_ca_cert"),
            client_cert=self._pem("tls_client_cert"),
            client_private_key=self._pem("tls_client_key"),
        )

    def _pem(self, name: str) -> bytes | None:
        path: Path | None = getattr(self, f"{name}_path")
        if path is not None:
            return _content(f"{name}_path", path)
        data: str | None = getattr(self, f"{name}_data")
        return None if data is None else data.encode()


def check_api_key(address: str, api_key: object, *, tls: bool | None) -> None:
    """Refuse to send an API key unencrypted to another machine.

    Args:
        address: Temporal's frontend, host:port.
        api_key: The API key or its file, if any.
        tls: None: TLS if there is an API key, as in the SDK.

    Raises:
        ClearTextKeyError: TLS is switched off, and the frontend is not on this machine.
    """
    host = address.rpartition(":")[0].strip("[]")
    if api_key and tls is False and not is_loopback(host):
        raise ClearTextKeyError(
            f"the API key would be sent unencrypted to {address}: leave tls unset, or set it to true"
        )


def _content(name: str, path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise _unusable(name, path, f"cannot be read: {error.strerror}") from None


def _unusable(name: str, path: Path, why: str) -> ConnectionFileError:
    return ConnectionFileError(f"temporal.{name}: the file {path} {why}")
