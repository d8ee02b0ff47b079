"""No message and no log line shows a password."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from bridge.config import DatabaseSettings, NatsSettings
from bridge.errors import SettingsError
from bridge.origins import from_environment, from_file, load

SECRET = "s3cret"


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("DATABASE_URL", f"mysql://u:{SECRET}@h/d"),
        ("DATABASE_URL", f"postgresql://u:{SECRET}/@h/d"),
        ("DATABASE_URL", f"postgresql://u:{SECRET}@h:port/d"),
        ("NTBRIDGE_DATABASE", f"postgresql://u:{SECRET}@h/d"),
        ("NTBRIDGE_NATS", f"nats://u:{SECRET}@h"),
        ("NTBRIDGE_TEMPORAL", SECRET),
        ("NTBRIDGE_NATS__URL__X", SECRET),
        ("NTBRIDGE_TEMPORAL__API_KEY__X", SECRET),
        ("NTBRIDGE_DATABASE__PASSWORD", SECRET),
    ],
)
def test_a_wrong_variable_is_not_quoted_where_a_secret_may_stand(
    variable: str, value: str
) -> None:
    with pytest.raises(SettingsError, match=variable) as refusal:
        load([from_environment({variable: value})])
    assert SECRET not in str(refusal.value)


@pytest.mark.parametrize(
    "text",
    [
        f"database: postgresql://u:{SECRET}@h/d",
        f"database:\n  url: 'postgresql://u:{SECRET}@h/d",
        f"database:\n  url: postgresql://u:{SECRET}@h/d: x",
        f"nats:\n  url: [nats://u:{SECRET}@h]",
        f"temporal: {{api_key: [{SECRET}]}}",
        f"natz: {{url: nats://u:{SECRET}@h}}",
    ],
)
def test_a_wrong_file_is_not_quoted_where_a_secret_may_stand(tmp_path: Path, text: str) -> None:
    path = tmp_path / "settings.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(SettingsError, match=r"settings\.yaml") as refusal:
        load([from_file(path)])
    assert SECRET not in str(refusal.value)


@pytest.mark.parametrize("password", [SECRET, f"{SECRET}!$(=+", f"a@{SECRET}", f"%2F{SECRET}"])
def test_the_database_url_is_shown_without_its_password(password: str) -> None:
    shown = DatabaseSettings(url=f"postgresql://me:{password}@db:5432/x?ssl=on").shown_url
    assert shown == "postgresql://me:***@db:5432/x?ssl=on"


def test_a_password_among_the_parameters_is_hidden_too() -> None:
    settings = DatabaseSettings(url=f"postgresql://db/x?user=me&password={SECRET}&ssl=on")
    assert settings.shown_url == "postgresql://db/x?user=me&password=***&ssl=on"


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://db/x",
        "postgres://me@db:5432/x",
        "postgresql:///x?host=/run/postgresql",
        "postgresql://[::1]:5432/x",
        "postgresql://a:1,b:2/x",
        "postgresql://me@%2Frun%2Fpostgresql/x",
    ],
)
def test_a_database_url_without_a_password_is_shown_as_it_is(url: str) -> None:
    assert DatabaseSettings(url=url).shown_url == url


@pytest.mark.parametrize("url", ["", "db:5432", "http://db", "postgresql://db:port/x"])
def test_a_database_url_of_another_form_is_refused(url: str) -> None:
    with pytest.raises(ValidationError):
        DatabaseSettings(url=url)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("nats://a:4222", "nats://a:4222"),
        (f"nats://u:{SECRET}@a:4222", "nats://***@a:4222"),
        (f"nats://{SECRET}@a", "nats://***@a"),
        (f"u:{SECRET}@a:4222", "***@a:4222"),
        (
            f"tls://u:/{SECRET}@a, ws://b, nats://u:@{SECRET}@c",
            "tls://***@a,ws://b,nats://***@c",
        ),
    ],
)
def test_nats_urls_are_shown_without_user_and_password(url: str, shown: str) -> None:
    assert NatsSettings(url=url).shown_url == shown
