"""What logs and terminals show of an address."""

from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.runtime.redaction import without_secrets
from bridge.settings.schema import DatabaseSettings, NatsSettings

SECRET = "s3cret"


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("nats://127.0.0.1:4222", "nats://127.0.0.1:4222"),
        (f"nats://u:{SECRET}@h:4222", "nats://***@h:4222"),
        (f"nats://{SECRET}@h", "nats://***@h"),
        (f"u:{SECRET}@h:4222", "***@h:4222"),
        (f"nats://u:{SECRET}\n@h:4222", "nats://***@h:4222"),
        (f"nats://u:a,{SECRET}@h,tls://v:{SECRET}@i", "nats://***@i"),
        (f"nats://u:/{SECRET}/@h", "nats://***@h"),
        ("nats://h:4222\n\x1b[31m", "nats://h:4222??[31m"),
    ],
)
def test_of_nats_neither_user_nor_password(url: str, shown: str) -> None:
    assert without_secrets(url) == shown


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://u@h/d", "postgresql://u@h/d"),
        (f"postgresql://u:{SECRET}@h/d", "postgresql://u:***@h/d"),
        (f"postgresql://u:{SECRET}/\n@h/d", "postgresql://u:***@h/d"),
        (f"postgresql://u:x@y:{SECRET}@h/d", "postgresql://u:***@h/d"),
        (f"postgresql://h/d?password={SECRET}&a=b", "postgresql://h/d?password=***&a=b"),
        (f"postgresql://h/d?a=b&sslPassword={SECRET}", "postgresql://h/d?a=b&sslPassword=***"),
    ],
)
def test_of_postgres_no_password(url: str, shown: str) -> None:
    assert without_secrets(url, keep_user=True) == shown
    assert DatabaseSettings.model_construct(url=url).shown_url == shown


@given(st.text(min_size=4).filter(lambda text: text not in "nats://user:***@host:4222,?"))
def test_whatever_a_password_holds_it_is_not_shown(password: str) -> None:
    for secret in (password, quote(password)):
        assert without_secrets(f"nats://user:{secret}@host:4222") == "nats://***@host:4222"


@pytest.mark.parametrize(
    "url",
    [
        f"nats://u:a/{SECRET}@h:4222",
        f"nats://u:a,{SECRET}@h:4222",
        f"nats://u:a@{SECRET}@h:4222",
        f"nats://u:{SECRET} @h:4222",
        f"nats://u:{SECRET}@h:port",
        f"http://u:{SECRET}@h:4222",
        "",
    ],
)
def test_a_wrong_url_of_nats_is_refused_and_not_quoted(url: str) -> None:
    with pytest.raises(ValueError, match="must have the form nats://") as refusal:
        NatsSettings(url=url)
    assert SECRET not in refusal.value.errors()[0]["msg"]  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "url",
    [
        "nats://127.0.0.1:4222",
        "127.0.0.1:4222",
        "localhost",
        "tls://u:p%2F@h.example.com:4222, nats://token@[::1]:4222",
        "wss://h:443/path",
        "nats://h:4222,nats://i:4222",
    ],
)
def test_urls_of_nats_as_clients_write_them(url: str) -> None:
    assert NatsSettings(url=url).url == url
