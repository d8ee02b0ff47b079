"""TLS of a client: its context from files, and what its errors mean.

OpenSSL's errors name an alert (``TLSV13_ALERT_CERTIFICATE_REQUIRED``) and no setting; `tls_fault` says what
was wrong with which certificate.
"""

import os
import ssl
from collections.abc import Mapping
from pathlib import Path

from bridge.runtime.errors import ConnectionFileError

_ALERTS: Mapping[str, str] = {
    "CERTIFICATE_REQUIRED": "the server requires a client certificate, and none was sent",
    "CERTIFICATE_EXPIRED": "the server refuses the client certificate: it has expired",
    "CERTIFICATE_REVOKED": "the server refuses the client certificate: it was revoked",
    "UNKNOWN_CA": "the server refuses the client certificate: it does not know its authority",
    "BAD_CERTIFICATE": "the server refuses the client certificate (it may be revoked, or not be one "
    "for clients), or requires one and none was sent; the server's log says which",
    "UNSUPPORTED_CERTIFICATE": "the server refuses the client certificate: it is not for clients",
    "CERTIFICATE_UNKNOWN": "the server refuses the client certificate",
    "ACCESS_DENIED": "the server refuses the client certificate: access denied",
    "DECRYPT_ERROR": "the server refuses the client certificate: its signature is wrong",
    "HANDSHAKE_FAILURE": "the server refuses the TLS handshake; it may require a client certificate",
    "PROTOCOL_VERSION": "the server and this client have no version of TLS in common",
    "UNRECOGNIZED_NAME": "the server has no certificate for the name that was asked for",
    "NO_APPLICATION_PROTOCOL": "the server does not speak the protocol of this client",
}
"""Alerts of TLS (RFC 8446, section 6.2), as OpenSSL names them at the end of an error's reason."""

_NOT_TLS = frozenset({"WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "HTTP_REQUEST"})
_UNKNOWN_AUTHORITY = "unknown authority"
_VERIFY_CODES: Mapping[int, str] = {
    2: _UNKNOWN_AUTHORITY,
    3: "its authority's list of revoked certificates is missing",
    9: "it is not valid yet",
    10: "it has expired",
    12: "its authority's list of revoked certificates has expired",
    18: _UNKNOWN_AUTHORITY,
    19: _UNKNOWN_AUTHORITY,
    20: _UNKNOWN_AUTHORITY,
    21: _UNKNOWN_AUTHORITY,
    23: "it was revoked",
}
"""Codes of OpenSSL's certificate verification (``X509_V_ERR_…`` in x509_vfy.h)."""


def tls_fault(error: BaseException | None) -> str | None:
    """Return what is wrong with TLS, in words; None if the error is of another kind.

    The error may be the cause of the one that is given.
    """
    while error is not None:
        if isinstance(error, ssl.SSLCertVerificationError):
            return f"the server's certificate is refused: {_why_refused(error)}"
        if isinstance(error, ssl.SSLError):
            return _of_alert(error.reason or "") or f"TLS fails: {error.reason or error}"
        if isinstance(error, ssl.CertificateError):
            return f"the server's certificate is refused: {error}"
        error = error.__cause__
    return None


def _why_refused(error: ssl.SSLCertVerificationError) -> str:
    known = _VERIFY_CODES.get(error.verify_code)
    if known == _UNKNOWN_AUTHORITY:
        return f"no authority that this client trusts has signed it ({error.verify_message})"
    return known or error.verify_message or str(error)


def _of_alert(reason: str) -> str | None:
    if reason in _NOT_TLS:
        return "the server does not answer in TLS"
    _, _, alert = reason.partition("ALERT_")
    return _ALERTS.get(alert)


def client_context(
    section: str,
    *,
    ca: Path | None = None,
    cert: Path | None = None,
    key: Path | None = None,
    names: tuple[str, str, str] = ("tls_ca", "tls_cert", "tls_key"),
) -> ssl.SSLContext:
    """Return the context of a client, with the current content of the files.

    Args:
        section: The section of the settings, for errors.
        ca: The authorities to trust instead of those of the system.
        cert: The client certificate.
        key: Its private key; without one, the certificate's file contains it.
        names: The settings of the three files, for errors.

    Raises:
        ConnectionFileError: A file cannot be read or is not what it should be, or certificate and
            key do not fit. Never quotes a file.
    """
    for name, path in zip(names, (ca, cert, key), strict=True):
        if path is not None:
            try:
                path.open("rb").close()
            except OSError as error:
                raise ConnectionFileError(
                    f"{section}.{name}: the file {path} cannot be read: {error.strerror}"
                ) from None
    try:
        context = ssl.create_default_context(cafile=None if ca is None else os.fspath(ca))
    except ssl.SSLError:
        raise ConnectionFileError(
            f"{section}.{names[0]}: the file {ca} holds no certificate (PEM)"
        ) from None
    if cert is not None:
        try:
            # Without the password, OpenSSL would ask for that of an encrypted key in the terminal.
            context.load_cert_chain(cert, key, password=lambda: b"")
        except (ssl.SSLError, ValueError) as error:
            raise ConnectionFileError(
                f"{section}.{names[1]} and {section}.{names[2]}: {_why_unfit(error, cert, key)}"
            ) from None
    return context


def _why_unfit(error: Exception, cert: Path, key: Path | None) -> str:
    if isinstance(error, ssl.SSLError) and error.reason == "KEY_VALUES_MISMATCH":
        return f"the key {key or cert} does not belong to the certificate {cert}"
    return (
        f"{cert} is not a certificate, or {key or cert} is not its private key without a password "
        "(both PEM)"
    )
