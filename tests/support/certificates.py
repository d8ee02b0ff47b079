"""A certificate authority for tests: certificates for servers and clients, and a list of revoked ones."""

import ssl
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509 import ocsp
from cryptography.x509.oid import (
    AuthorityInformationAccessOID,
    ExtendedKeyUsageOID,
    NameOID,
)

HERE = ("localhost", "127.0.0.1")
"""The names under which a test reaches its servers."""

_YEAR = timedelta(days=365)
_USES = x509.ExtendedKeyUsage(
    [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
)


@dataclass(frozen=True)
class Certificate:
    """A certificate and its private key, in files."""

    cert: Path
    key: Path
    serial: int

    def replace(self, other: "Certificate") -> None:
        """Put another certificate into the files, as a renewal does."""
        for mine, its in ((self.cert, other.cert), (self.key, other.key)):
            renewed = mine.with_suffix(".renewed")
            renewed.write_bytes(its.read_bytes())
            renewed.chmod(0o600)
            renewed.rename(mine)


class Authority:
    """Signs certificates.

    Args:
        folder: for the files.
        name: of the authority.
    """

    def __init__(self, folder: Path, name: str = "test authority") -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _name(name)
        self._made = 0
        self.ca = folder / "ca.pem"
        self._identity = x509.SubjectKeyIdentifier.from_public_key(self._key.public_key())
        usage = x509.KeyUsage(
            digital_signature=True,
            key_cert_sign=True,
            crl_sign=True,
            content_commitment=False,
            key_encipherment=False,
            data_encipherment=False,
            key_agreement=False,
            encipher_only=False,
            decipher_only=False,
        )
        made = (
            self._begun(self._name, self._key, _YEAR)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(usage, critical=True)
            .add_extension(self._identity, critical=False)
            .sign(self._key, hashes.SHA256())
        )
        self.ca.write_bytes(made.public_bytes(Encoding.PEM))

    def certificate(
        self,
        *names: str,
        common_name: str = "test",
        valid: timedelta = _YEAR,
        responder: str | None = None,
    ) -> Certificate:
        """A new certificate.

        Args:
            names: host names and addresses of a server; none for a client.
            common_name: of its subject; Postgres takes it for the user.
            valid: until when, from now; negative for one that has expired.
            responder: where to ask whether it is revoked.
        """
        key = ec.generate_private_key(ec.SECP256R1())
        builder = self._begun(_name(common_name), key, valid).add_extension(
            _USES, critical=False
        )
        builder = builder.add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(self._identity),
            critical=False,
        )
        if names:
            builder = builder.add_extension(
                x509.SubjectAlternativeName([_general(name) for name in names]), critical=False
            )
        if responder is not None:
            asked = x509.AccessDescription(
                AuthorityInformationAccessOID.OCSP, x509.UniformResourceIdentifier(responder)
            )
            builder = builder.add_extension(
                x509.AuthorityInformationAccess([asked]), critical=False
            )
        made = builder.sign(self._key, hashes.SHA256())
        self._made += 1
        cert, private = (self._folder / f"{self._made}.{kind}" for kind in ("crt", "key"))
        cert.write_bytes(made.public_bytes(Encoding.PEM))
        private.write_bytes(
            key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        )
        private.chmod(0o600)
        return Certificate(cert, private, made.serial_number)

    def ocsp_answer(self, request: bytes, revoked: Collection[int]) -> bytes:
        """The answer of the authority to an OCSP request: whether a certificate is revoked.

        Args:
            request: DER.
            revoked: the serial numbers of the revoked certificates.
        """
        asked = ocsp.load_der_ocsp_request(request)
        now = datetime.now(UTC)
        is_revoked = asked.serial_number in revoked
        status = ocsp.OCSPCertStatus.REVOKED if is_revoked else ocsp.OCSPCertStatus.GOOD
        builder = ocsp.OCSPResponseBuilder().add_response_by_hash(
            issuer_name_hash=asked.issuer_name_hash,
            issuer_key_hash=asked.issuer_key_hash,
            serial_number=asked.serial_number,
            algorithm=asked.hash_algorithm,
            cert_status=status,
            this_update=now - timedelta(hours=1),
            next_update=now + timedelta(hours=1),
            revocation_time=now - timedelta(hours=1) if is_revoked else None,
            revocation_reason=None,
        )
        own = x509.load_pem_x509_certificate(self.ca.read_bytes())
        signed = builder.responder_id(ocsp.OCSPResponderEncoding.HASH, own).sign(
            self._key, hashes.SHA256()
        )
        return signed.public_bytes(Encoding.DER)

    def revocations(self, *revoked: Certificate) -> Path:
        """A file with the list of revoked certificates."""
        now = datetime.now(UTC)
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(self._name)
            .last_update(now - timedelta(days=1))
            .next_update(now + _YEAR)
        )
        for each in revoked:
            builder = builder.add_revoked_certificate(
                x509.RevokedCertificateBuilder()
                .serial_number(each.serial)
                .revocation_date(now - timedelta(days=1))
                .build()
            )
        self._made += 1
        path = self._folder / f"{self._made}.crl"
        path.write_bytes(builder.sign(self._key, hashes.SHA256()).public_bytes(Encoding.PEM))
        return path

    def server_context(
        self, certificate: Certificate, *, crl: Path | None = None
    ) -> ssl.SSLContext:
        """TLS for a server that demands a certificate of this authority from its clients."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate.cert, certificate.key)
        context.load_verify_locations(self.ca)
        context.verify_mode = ssl.CERT_REQUIRED
        context.set_alpn_protocols(["h2"])
        if crl is not None:
            context.load_verify_locations(crl)
            context.verify_flags |= ssl.VERIFY_CRL_CHECK_LEAF
        return context

    def _begun(
        self, subject: x509.Name, key: ec.EllipticCurvePrivateKey, valid: timedelta
    ) -> x509.CertificateBuilder:
        now = datetime.now(UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - _YEAR)
            .not_valid_after(now + valid)
        )


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _general(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.DNSName(name)
