"""How to reach NATS: one way to authenticate, secrets in files, TLS."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from bridge.errors import SettingsError
from bridge.settings.nats_connection import NatsConnectionSettings
from bridge.settings.sources import Source, from_environment, load


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"user": "u"}, "password is missing"),
        ({"password": "geheim"}, "user is missing"),
        ({"user": "u", "password": "geheim", "password_file": "f"}, "are both set"),
        ({"token": "geheim", "token_file": "f"}, "are both set"),
        ({"user": "u", "password": "geheim", "token": "geheim"}, "user and token are both set"),
        ({"credentials": "f", "token": "geheim"}, "credentials and token are both set"),
        (
            {"url": "nats://u:geheim@h", "credentials": "f"},
            "a user or token in url are both set",
        ),
        ({"tls_key": "f"}, "tls_key is set without tls_cert"),
    ],
)
def test_what_contradicts_itself_is_refused(given: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValidationError, match=reason):
        NatsConnectionSettings.model_validate(given)
    with pytest.raises(SettingsError, match=reason) as refusal:
        load([Source("a file", {f"nats.{name}": value for name, value in given.items()})])
    assert "geheim" not in str(refusal.value)


def test_a_secret_may_be_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("geheim\n")
    environ = {
        "NTBRIDGE_NATS__USER": "u",
        "NTBRIDGE_NATS__PASSWORD_FILE": str(tmp_path / "secret"),
    }
    nats = load([from_environment(environ)]).settings.nats
    assert (nats.password, nats.password_file) == (None, tmp_path / "secret")
    with pytest.raises(SettingsError, match="NTBRIDGE_NATS__PASSWORD_FILE: the file /none"):
        load([from_environment({**environ, "NTBRIDGE_NATS__PASSWORD_FILE": "/none"})])
    assert "geheim" not in repr(NatsConnectionSettings(user="u", password="geheim"))


@pytest.mark.parametrize(
    ("given", "plain"),
    [
        ({"url": "nats://a,b:1"}, ["a", "b"]),
        ({"url": "tls://a,nats://b"}, []),
        ({"url": "nats://a", "tls_ca": "ca.pem"}, []),
        ({"url": "nats://a", "tls_first": True}, []),
        ({"url": "wss://a"}, []),
        ({"url": "ws://a", "tls_ca": "ca.pem"}, ["a"]),
    ],
)
def test_tls_is_required_of_all_servers_or_of_none(
    given: dict[str, Any], plain: list[str]
) -> None:
    assert NatsConnectionSettings.model_validate(given).plain_hosts == plain
