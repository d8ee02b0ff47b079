"""When the certificates of the settings expire: client certificates, and authorities that are trusted."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from bridge.health.snapshot import CertificateState
from bridge.settings.schema import Settings, TemporalSettings


def look_at_certificates(settings: Settings) -> tuple[CertificateState, ...]:
    """Return when each certificate of the settings expires.

    A file of several authorities is left out: one of many may expire. So is a file that cannot be read:
    the check of its server has the reason.
    """
    now = datetime.now(UTC)
    found = []
    for setting, content in _contents(settings):
        expires = _expiry(content)
        if expires is not None:
            days = (expires - now).total_seconds() / 86_400
            found.append(CertificateState(setting, expires, days))
    return tuple(found)


def _contents(settings: Settings) -> Iterator[tuple[str, bytes]]:
    from eventstore.dsn import parse  # noqa: PLC0415 - imports the driver

    nats = settings.nats
    files: dict[str, object] = {"nats.tls_ca": nats.tls_ca, "nats.tls_cert": nats.tls_cert}
    for name, each in settings.temporal.each.items():
        section = f"temporal.namespaces.{name}" if name else "temporal"
        files |= _temporal_files(section, each)
        for setting, text in _temporal_data(section, each).items():
            if text:
                yield setting, text.encode()
    for parameter in ("sslrootcert", "sslcert"):
        files[f"{parameter} in database.url"] = parse(settings.database.url).files.get(
            parameter
        )
    for setting, path in files.items():
        if path:
            try:
                yield f"{setting} ({path})", Path(str(path)).read_bytes()
            except OSError:
                continue


def _temporal_files(section: str, temporal: TemporalSettings) -> dict[str, object]:
    return {
        f"{section}.{name}": getattr(temporal, name)
        for name in ("tls_server_ca_cert_path", "tls_client_cert_path")
    }


def _temporal_data(section: str, temporal: TemporalSettings) -> dict[str, str | None]:
    return {
        f"{section}.{name}": getattr(temporal, name)
        for name in ("tls_server_ca_cert_data", "tls_client_cert_data")
    }


def _expiry(content: bytes) -> datetime | None:
    """Return when a certificate (PEM) expires; None if it is none, or several authorities."""
    from cryptography import x509  # noqa: PLC0415 - slow; only where there are certificates

    try:
        # A client certificate comes first, then those of its authorities.
        first, *others = x509.load_pem_x509_certificates(content)
    except ValueError:
        return None
    try:
        is_authority = first.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        is_authority = False
    return None if is_authority and others else first.not_valid_after_utc
