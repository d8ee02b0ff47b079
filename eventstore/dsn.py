"""The DSN: a Postgres connection string, parsed into hosts, driver parameters and session settings.

The driver sends each parameter that it does not know to the server, which refuses it. So every
parameter is classified here: those that the driver knows are passed to it, those of libpq or a
pooler that have no effect here are dropped, and all others are refused by name.
"""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final
from urllib.parse import SplitResult, parse_qsl, unquote, urlencode, urlsplit

from eventstore.errors import InvalidDsn

Address = tuple[str, int]
"""A host (or the folder of a Unix socket) and a port."""

_DRIVERS: Final = frozenset(
    {
        "user",
        "password",
        "dbname",
        "database",
        "passfile",
        "service",
        "sslmode",
        "sslcert",
        "sslkey",
        "sslrootcert",
        "sslcrl",
        "sslpassword",
        "sslnegotiation",
        "ssl_min_protocol_version",
        "ssl_max_protocol_version",
        "krbsrvname",
        "gsslib",
    }
)
"""Parameters that the driver reads from the connection string."""

_SERVERS: Final = frozenset({"options", "search_path"})
"""Parameters that are sent to the server at the start of a session."""

_FILES: Final = frozenset({"sslcert", "sslkey", "sslrootcert", "sslcrl"})

_READ_HERE: Final = frozenset(
    {
        "host",
        "port",
        "application_name",
        "fallback_application_name",
        "connect_timeout",
        "load_balance_hosts",
        "statement_cache_size",
        "prepared_statement_cache_size",
        "target_session_attrs",
    }
)

_LEFT_OUT: Final = frozenset(
    {
        "keepalives",
        "keepalives_idle",
        "keepalives_interval",
        "keepalives_count",
        "tcp_user_timeout",
        "sslcompression",
        "sslsni",
        "gssdelegation",
        "min_protocol_version",
        "max_protocol_version",
        "pgbouncer",
    }
)
"""Parameters of libpq and poolers without effect here: the store has its own deadlines."""

_TLS: Final = frozenset({"tlsv1", "tlsv1.1", "tlsv1.2", "tlsv1.3"})

_ONLY: Final[Mapping[str, frozenset[str]]] = {
    "channel_binding": frozenset({"disable", "prefer"}),
    "client_encoding": frozenset({"utf8", "utf-8", "unicode", "auto"}),
    "gssencmode": frozenset({"disable", "prefer"}),
    "pool_mode": frozenset({"session"}),
    "replication": frozenset({"false", "off", "no", "0"}),
    "require_auth": frozenset({""}),
    "gsslib": frozenset({"gssapi", "sspi"}),
    "load_balance_hosts": frozenset({"disable", "random"}),
    "ssl_max_protocol_version": _TLS,
    "ssl_min_protocol_version": _TLS,
    "sslmode": frozenset({"disable", "allow", "prefer", "require", "verify-ca", "verify-full"}),
    "sslnegotiation": frozenset({"postgres", "direct"}),
    "sslcertmode": frozenset({"disable", "allow"}),
    "target_session_attrs": frozenset({"any", "primary", "read-write", "prefer-standby"}),
}
"""Parameters of which only these values are supported."""

_NO_HOST: Final = (
    "a host of the database's connection string must have the form host:port, with a port from 1 "
    "to 65535; in the password '/', '?', '#' and '@' are percent-encoded"
)

_KNOWN: Final = _DRIVERS | _SERVERS | _READ_HERE | _LEFT_OUT

_DEFAULT_PORT: Final = 5432

_HOST: Final = re.compile(r"(?P<host>\[[^\]]+\]|[^:\[\]@]*)(?::(?P<port>[^:]*))?")


@dataclass(frozen=True, slots=True)
class Dsn:
    """A parsed connection string.

    Attributes:
        text: The string for the driver, without hosts and without other parameters.
        addresses: The hosts in their order; empty when a service file or the driver's defaults
            name them.
        settings: Parameters that are sent to the server at the start of a session.
        application_name: The name in the string, or None.
        connect_timeout: Seconds for one attempt to connect, or None.
        statement_cache_size: How many prepared statements a connection keeps, or None.
        shuffled: Whether the hosts are tried in random order.
        files: Files of certificates and keys, by parameter.
    """

    text: str
    addresses: tuple[Address, ...]
    settings: Mapping[str, str]
    application_name: str | None
    connect_timeout: int | None
    statement_cache_size: int | None
    shuffled: bool
    files: Mapping[str, str]


def parse(dsn: str) -> Dsn:
    """Read a connection string of the form ``postgresql://...``.

    Raises:
        InvalidDsn: It has another form, or an unsupported parameter. The message contains no
            value that may be a secret.
    """
    parts = _split(dsn)
    user, _, hosts = parts.netloc.rpartition("@")
    for host in hosts.split(","):
        _address(
            host, _DEFAULT_PORT
        )  # first, because a part of a password may look like a parameter
    given = _parameters(parts.query)
    # The driver ends the user's part at the first "@", which may be one of the password.
    authority = f"{user.replace('@', '%40')}@" if user else ""
    kept = urlencode({name: value for name, value in given.items() if name in _DRIVERS})
    caches = given.get("statement_cache_size", given.get("prepared_statement_cache_size"))
    name = given.get("application_name") or given.get("fallback_application_name")
    return Dsn(
        text=f"{parts.scheme}://{authority}{parts.path}{'?' if kept else ''}{kept}",
        addresses=_addresses(hosts, given),
        settings={name: given[name] for name in sorted(_SERVERS & given.keys())},
        application_name=name or None,
        connect_timeout=_number("connect_timeout", given.get("connect_timeout")) or None,
        statement_cache_size=_number("statement_cache_size", caches),
        shuffled=given.get("load_balance_hosts") == "random",
        files={name: given[name] for name in sorted(_FILES & given.keys())},
    )


def plaintext_hosts(dsn: str) -> tuple[str, ...]:
    """Return the hosts on other machines to which a connection may be unencrypted.

    That is so unless ``sslmode`` (or PGSSLMODE) requires TLS: the default ``prefer`` continues
    unencrypted when the server, or an attacker in its place, says that it has no TLS.

    Raises:
        InvalidDsn: As `parse`.
    """
    mode = _parameters(_split(dsn).query).get("sslmode") or os.environ.get("PGSSLMODE", "")
    if mode.lower() in {"require", "verify-ca", "verify-full"}:
        return ()
    hosts = (host for host, _ in parse(dsn).addresses)
    return tuple(host for host in hosts if not _is_this_machine(host))


def _is_this_machine(host: str) -> bool:
    if host.startswith("/") or host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _split(dsn: str) -> SplitResult:
    try:
        parts = urlsplit(dsn)
    except ValueError:
        parts = urlsplit("")
    if parts.scheme not in {"postgresql", "postgres"} or "://" not in dsn:
        raise InvalidDsn(
            "the database's connection string must have the form "
            "postgresql://user:password@host:port/database"
        )
    if parts.fragment or "#" in dsn:
        raise InvalidDsn(
            "the database's connection string has a '#': write it as %23, because what follows a "
            "'#' is ignored"
        )
    return parts


def _parameters(query: str) -> dict[str, str]:
    try:
        given = dict(
            parse_qsl(query, keep_blank_values=True, strict_parsing=True) if query else []
        )
    except ValueError:
        raise InvalidDsn(
            "the parameters of the database's connection string must have the form "
            "name=value&name=value"
        ) from None
    if given.get("ssl") == "true":  # the form of JDBC; libpq accepts it too
        given["sslmode"] = "require"
        del given["ssl"]
    for name, value in given.items():
        allowed = _ONLY.get(name)
        if allowed is None and name not in _KNOWN:
            raise InvalidDsn(
                f"the database's connection string has the unknown parameter {name!r}: remove it; "
                "a setting for the server is written options=-c%20name%3Dvalue"
            )
        if allowed is not None and value.lower() not in allowed:
            raise InvalidDsn(
                f"the parameter {name}={value} of the database's connection string cannot be "
                f"served; it may be {' or '.join(sorted(allowed)) or 'left out'}"
            )
    return given


def _addresses(authority: str, given: Mapping[str, str]) -> tuple[Address, ...]:
    """Return hosts and ports: from the authority, else the query, else the environment."""
    named = authority or given.get("host", "")
    if not named and "service" not in given and "PGSERVICE" not in os.environ:
        named = os.environ.get("PGHOST", "")
    ports = given.get("port", "") or os.environ.get("PGPORT", "")
    if not named:
        if given.get("port"):
            named = "localhost"
        else:
            return ()
    defaults = [_port(port) for port in ports.split(",")] if ports else [_DEFAULT_PORT]
    hosts = named.split(",")
    if len(defaults) not in {1, len(hosts)}:
        raise InvalidDsn(
            f"the database's connection string names {len(hosts)} hosts and {len(defaults)} ports"
        )
    if len(defaults) == 1:
        defaults *= len(hosts)
    return tuple(_address(host, default) for host, default in zip(hosts, defaults, strict=True))


def _address(text: str, default: int) -> Address:
    found = _HOST.fullmatch(text)
    if found is None:
        raise InvalidDsn(_NO_HOST)
    host = unquote(found["host"]).removeprefix("[").removesuffix("]")
    return host or "localhost", _port(found["port"]) if found["port"] else default


def _port(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 0 < int(text) < 2**16:
        raise InvalidDsn(_NO_HOST)
    return int(text)


def _number(name: str, text: str | None) -> int | None:
    if text is None:
        return None
    if not text.isascii() or not text.isdigit():
        raise InvalidDsn(
            f"the parameter {name} of the database's connection string must be a number, not "
            f"{text!r}"
        )
    return int(text)
