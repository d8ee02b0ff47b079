"""No message and no log line shows a password."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from bridge.errors import SettingsError
from bridge.settings.schema import DatabaseSettings, NatsSettings
from bridge.settings.sources import from_environment, from_file, load

SECRET = "s3cret"


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("DATABASE_URL", f"mysql://u:{SECRET}@h/d"),
        ("DATABASE_URL", f"postgresql://u:{SECRET}/@h/d"),
        ("DATABASE_URL", f"postgresql://u:{SECRET}@h:port/d"),
        ("DATABASE_URL", f"postgresql://u:{SECRET}@h/d?pool_size={SECRET}"),
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


DSN = f"postgresql://u:{SECRET}@h/d"


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    """A file with a DSN and a line's end, as secrets' files are."""
    path = tmp_path / "dsn"
    path.write_text(f"{DSN}\n", encoding="utf-8")
    return path


@pytest.mark.parametrize("variable", ["DATABASE_URL_FILE", "NTBRIDGE_DATABASE__URL_FILE"])
def test_a_secret_is_read_from_the_file_that_a_variable_names(
    secret: Path, variable: str
) -> None:
    loaded = load([from_environment({variable: str(secret)})])
    assert loaded.settings.database.url == DSN
    assert (
        loaded.origins["database.url"] == f"the file {secret} (environment variable {variable})"
    )


def test_every_secret_of_a_usual_name_may_be_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "nats").write_text("nats://u:p@n:4222")
    (tmp_path / "key").write_text("a-key")
    environ = {
        "NATS_URL_FILE": str(tmp_path / "nats"),
        "TEMPORAL_API_KEY_FILE": str(tmp_path / "key"),
        "DATABASE_URL_FILE": "",  # as good as not set, like the variables themselves
    }
    settings = load([from_environment(environ)]).settings
    assert settings.nats.url == "nats://u:p@n:4222"
    assert settings.temporal.read_api_key() == "a-key"


def test_our_own_variable_goes_before_a_file_of_the_usual_name(secret: Path) -> None:
    environ = {
        "DATABASE_URL_FILE": str(secret),
        "NTBRIDGE_DATABASE__URL": "postgresql://own/x",
    }
    assert load([from_environment(environ)]).settings.database.url == "postgresql://own/x"


@pytest.mark.parametrize(
    ("content", "reason"),
    [(None, "No such file"), (b"  \n", "empty"), (b"\xff" + SECRET.encode(), "not UTF-8")],
)
def test_a_secrets_file_that_holds_none_is_told_of(
    tmp_path: Path, content: bytes | None, reason: str
) -> None:
    path = tmp_path / "dsn"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(SettingsError, match=rf"DATABASE_URL_FILE: .*dsn.*{reason}") as refusal:
        from_environment({"DATABASE_URL_FILE": str(path)})
    assert SECRET not in str(refusal.value)


def test_a_wrong_secret_is_told_of_by_its_file_and_not_quoted(secret: Path) -> None:
    secret.write_text(f"mysql://u:{SECRET}@h/d")
    with pytest.raises(SettingsError, match="DATABASE_URL_FILE") as refusal:
        load([from_environment({"DATABASE_URL_FILE": str(secret)})])
    assert SECRET not in str(refusal.value)


def test_a_secret_given_twice_is_refused(secret: Path) -> None:
    with pytest.raises(SettingsError, match="DATABASE_URL and DATABASE_URL_FILE are both set"):
        from_environment({"DATABASE_URL_FILE": str(secret), "DATABASE_URL": DSN})


def test_what_is_no_secret_comes_from_no_file(secret: Path) -> None:
    with pytest.raises(SettingsError, match="unknown setting"):
        load([from_environment({"NTBRIDGE_NATS__PREFIX_FILE": str(secret)})])


@pytest.mark.parametrize("password", [SECRET, f"{SECRET}!$(=+", f"a@{SECRET}", f"%2F{SECRET}"])
def test_the_database_url_is_shown_without_its_password(password: str) -> None:
    shown = DatabaseSettings(
        url=f"postgresql://me:{password}@db:5432/x?sslmode=require"
    ).shown_url
    assert shown == "postgresql://me:***@db:5432/x?sslmode=require"


def test_a_password_among_the_parameters_is_hidden_too() -> None:
    settings = DatabaseSettings(
        url=f"postgresql://db/x?user=me&password={SECRET}&sslmode=require"
    )
    assert settings.shown_url == "postgresql://db/x?user=me&password=***&sslmode=require"


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
            f"tls://u:%2F{SECRET}@a, ws://b, nats://u:%40{SECRET}@c",
            "tls://***@a,ws://b,nats://***@c",
        ),
    ],
)
def test_nats_urls_are_shown_without_user_and_password(url: str, shown: str) -> None:
    assert NatsSettings(url=url).shown_url == shown
