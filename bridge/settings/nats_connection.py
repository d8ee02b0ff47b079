"""The settings of the connection to NATS."""

import re
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator

from bridge.runtime.redaction import without_secrets
from bridge.settings.source_settings import Section

NATS_ALTERNATIVES = (("password", "password_file"), ("token", "token_file"))
"""Settings of which at most one may be set: the value, or the file that contains it."""

_NATS_SERVER = re.compile(
    r"((nats|tls|ws|wss)://)?([^/@\s,]*@)?(\[[0-9a-fA-F:.]+\]|[^/:@\[\]\s,]+)(:\d{1,5})?(/[^@\s,]*)?"
)


class NatsConnectionSettings(Section):
    """How to reach NATS. The files are read for each connection, so a renewed one needs no restart."""

    url: str = "nats://127.0.0.1:4222"
    """One or more server URLs, separated by commas."""
    credentials: Path | None = None
    """A ``.creds`` file (JWT and seed), or the seed of an nkey."""
    user: str | None = Field(None, min_length=1)
    password: str | None = Field(None, repr=False)
    password_file: Path | None = None
    token: str | None = Field(None, repr=False)
    token_file: Path | None = None
    tls_ca: Path | None = None
    """The authorities that may have signed the server's certificate (PEM); default: the system's."""
    tls_cert: Path | None = None
    """The client certificate (PEM)."""
    tls_key: Path | None = None
    """The private key of the client certificate (PEM); default: in the file of the certificate."""
    tls_server_name: str | None = Field(None, min_length=1)
    """Name that the servers' certificates must have; default: the host of the URL."""
    tls_first: bool = False
    """Whether the TLS handshake comes before the server's greeting (``handshake_first`` of the server)."""

    @field_validator("url")
    @classmethod
    def _is_nats(cls, url: str) -> str:
        for server in url.split(","):
            if not _NATS_SERVER.fullmatch(server.strip()):
                message = (
                    "must have the form nats://user:password@host:port (or tls://, ws://, wss://), several "
                    "separated by commas, with '/', ',', '@', spaces and similar characters in the "
                    "password percent-encoded"
                )
                raise ValueError(message)
        return url

    @model_validator(mode="after")
    def _fits(self) -> Self:
        for value, file in NATS_ALTERNATIVES:
            if getattr(self, value) is not None and getattr(self, file) is not None:
                raise ValueError(f"{value} and {file} are both set: remove one of them")
        has_password = self.password is not None or self.password_file is not None
        if has_password != (self.user is not None):
            lacking = "user" if has_password else "password"
            raise ValueError(
                f"{lacking} is missing: a user needs a password, and a password a user"
            )
        has_token = self.token is not None or self.token_file is not None
        in_url = any("@" in server for server in self.servers)
        ways = {
            "credentials": self.credentials is not None,
            "user": has_password,
            "token": has_token,
            "a user or token in url": in_url,
        }
        given = [name for name, is_given in ways.items() if is_given]
        if len(given) > 1:
            raise ValueError(f"{' and '.join(given)} are both set: keep one")
        if self.tls_key is not None and self.tls_cert is None:
            raise ValueError("tls_key is set without tls_cert: set both")
        return self

    @property
    def servers(self) -> list[str]:
        """The server URLs as a list."""
        return [url.strip() for url in self.url.split(",")]

    @property
    def shown_url(self) -> str:
        """The URLs for logs: without user and password."""
        return ",".join(without_secrets(server) for server in self.servers)

    @property
    def requires_tls(self) -> bool:
        """Whether every server must offer TLS: one URL says tls://, or a TLS setting is set.

        It holds for all servers, because some may be known from cluster discovery only.
        """
        return (
            self.tls_first
            or any((self.tls_ca, self.tls_cert, self.tls_key, self.tls_server_name))
            or any(server.startswith("tls://") for server in self.servers)
        )

    @property
    def plain_hosts(self) -> list[str]:
        """The hosts to which the connection may be unencrypted."""
        urls = [urlsplit(url if "://" in url else f"nats://{url}") for url in self.servers]
        may_be_plain = {"ws"} if self.requires_tls else {"nats", "ws"}
        return [url.hostname or "localhost" for url in urls if url.scheme in may_be_plain]
