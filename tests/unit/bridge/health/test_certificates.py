"""Certificates of the settings that expire soon are a warning."""

from datetime import timedelta
from pathlib import Path

import pytest

from bridge.health.certificates import look_at_certificates
from bridge.health.checks import judge
from bridge.health.snapshot import Snapshot
from bridge.runtime.findings import Finding
from bridge.settings.schema import Settings
from tests.support.certificates import Authority

_CERTIFICATES = "certificates"


def finding(settings: Settings) -> Finding | None:
    snapshot = Snapshot(certificates=look_at_certificates(settings))
    found = [each for each in judge(snapshot, None, settings) if each.check == _CERTIFICATES]
    return found[0] if found else None


@pytest.mark.parametrize(
    ("days", "state", "words"),
    [
        (60, "ok", "first to expire"),
        (9, "warning", "expires on"),
        (-1, "warning", "expired on"),
    ],
)
def test_a_client_certificate_that_expires_soon_is_a_warning(
    tmp_path: Path, days: int, state: str, words: str
) -> None:
    authority = Authority(tmp_path)
    client = authority.certificate(valid=timedelta(days=days))
    nats = {"url": "tls://nats.example", "tls_ca": authority.ca, "tls_cert": client.cert}
    found = finding(Settings.model_validate({"nats": nats}))
    assert found is not None
    assert (found.state, words in found.detail) == (state, True)
    assert f"nats.tls_cert ({client.cert})" in found.detail
    assert "nats.tls_ca" not in found.detail


def test_every_place_of_a_certificate_is_looked_at(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    soon = timedelta(days=3)
    nats, temporal, billing, postgres = (authority.certificate(valid=soon) for _ in range(4))
    url = (
        f"postgresql://u@db/x?sslmode=verify-full&sslcert={postgres.cert}&sslkey={postgres.key}"
    )
    settings = Settings.model_validate(
        {
            "nats": {"url": "tls://nats.example", "tls_cert": nats.cert, "tls_key": nats.key},
            "database": {"url": url},
            "temporal": {
                "tls_client_cert_data": temporal.cert.read_text(),
                "tls_client_key_data": temporal.key.read_text(),
                "namespaces": {
                    "billing": {
                        "address": "other.example:7233",
                        "tls_client_cert_path": billing.cert,
                        "tls_client_key_path": billing.key,
                    }
                },
            },
        }
    )
    found = finding(settings)
    assert found is not None
    assert found.state == "warning"
    for setting in (
        "nats.tls_cert (",
        "temporal.tls_client_cert_data expires",
        "temporal.namespaces.billing.tls_client_cert_path (",
        "sslcert in database.url (",
    ):
        assert setting in found.detail


def test_without_certificates_or_with_a_bundle_of_authorities_nothing_is_said(
    tmp_path: Path,
) -> None:
    assert finding(Settings()) is None
    bundle = tmp_path / "bundle.pem"
    authorities = [Authority(tmp_path / name, name) for name in ("one", "two")]
    bundle.write_bytes(b"".join(each.ca.read_bytes() for each in authorities))
    (tmp_path / "junk.pem").write_text("junk")
    for file in ("bundle.pem", "junk.pem", "missing.pem"):
        nats = {"url": "tls://nats.example", "tls_ca": tmp_path / file}
        assert finding(Settings.model_validate({"nats": nats})) is None
