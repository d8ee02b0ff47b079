"""Settings come from flags, then the environment; a wrong one says which it is."""

from pathlib import Path

import pytest

from workflows.config import WorkerSettings
from workflows.errors import InvalidSettingError

DSN = "postgresql://u:secret@localhost/db"


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (
        *("TEMPORAL_ADDRESS", "TEMPORAL_NAMESPACE", "TEMPORAL_API_KEY", "TEMPORAL_TLS"),
        *("DATABASE_URL", "DATABASE_URL_FILE", "REDIS_URL", "REDIS_URL_FILE"),
        *("POSTGRES_URL", "POSTGRES_USER", "POSTGRES_PASSWORD", "TASK_QUEUE", "TEMPORAL_HOST"),
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NTBRIDGE_INSECURE", "true")


def test_defaults() -> None:
    settings = WorkerSettings.read({"database_url": DSN, "modules": None})
    assert settings.modules == ()
    assert settings.task_queue is None
    assert settings.temporal.address == "127.0.0.1:7233"
    assert settings.temporal.namespace == "default"
    assert settings.database_url.get_secret_value() == DSN
    assert ":secret@" not in repr(settings)


def test_a_flag_goes_before_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", DSN)
    monkeypatch.setenv("TEMPORAL_ADDRESS", "temporal:7233")
    monkeypatch.setenv("TEMPORAL_NAMESPACE", "from-environment")
    monkeypatch.setenv("NTBRIDGE_WORKER_MODULES", "qagent, qtest")
    settings = WorkerSettings.read({"temporal_namespace": "from-flag"})
    assert settings.temporal.namespace == "from-flag"
    assert settings.temporal.address == "temporal:7233"
    assert settings.modules == ("qagent", "qtest")


def test_a_missing_setting_says_how_to_give_it() -> None:
    with pytest.raises(InvalidSettingError, match="--database-url or DATABASE_URL: Field req"):
        WorkerSettings.read({})


def test_a_wrong_setting_says_where_it_came_from(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEMPORAL_ADDRESS", "nowhere")
    with pytest.raises(InvalidSettingError, match="variable TEMPORAL_ADDRESS: String"):
        WorkerSettings.read({"database_url": DSN})
    with pytest.raises(InvalidSettingError, match=r"--temporal-address \(flag\): String"):
        WorkerSettings.read({"database_url": DSN, "temporal_address": "nowhere"})


def test_unknown_settings_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InvalidSettingError, match=r"--modlues \(flag\)"):
        WorkerSettings.read({"database_url": DSN, "modlues": "x"})
    monkeypatch.setenv("NTBRIDGE_WORKER_QUEUE", "x")
    with pytest.raises(InvalidSettingError, match=r"NTBRIDGE_WORKER_QUEUE \(environment\)"):
        WorkerSettings.read({"database_url": DSN})


@pytest.fixture
def secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file with the DSN, named by the environment."""
    path = tmp_path / "dsn"
    path.write_text(f"{DSN}\n", encoding="utf-8")
    monkeypatch.setenv("DATABASE_URL_FILE", str(path))
    return path


@pytest.mark.usefixtures("secret")
def test_a_secret_may_be_in_a_file() -> None:
    assert WorkerSettings.read({}).database_url.get_secret_value() == DSN
    flag = "postgresql://flag/db"
    assert WorkerSettings.read({"database_url": flag}).database_url.get_secret_value() == flag


def test_secrets_of_parts_may_be_in_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "key").write_text("a-key\n")
    monkeypatch.setenv("NTBRIDGE_WORKER_OPENAI__API_KEY_FILE", str(tmp_path / "key"))
    monkeypatch.setenv("NTBRIDGE_WORKER_OPENAI__MODEL", "m")
    settings = WorkerSettings.read({"database_url": DSN})
    assert settings.openai.model == "m"
    assert settings.openai.api_key is not None
    assert settings.openai.api_key.get_secret_value() == "a-key"


def test_what_is_no_secret_comes_from_no_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NTBRIDGE_WORKER_OPENAI__MODEL_FILE", "/dev/null")
    with pytest.raises(InvalidSettingError, match="NTBRIDGE_WORKER_OPENAI__MODEL_FILE"):
        WorkerSettings.read({"database_url": DSN})


@pytest.mark.usefixtures("secret")
def test_a_secret_given_twice_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", DSN)
    with pytest.raises(
        InvalidSettingError, match="DATABASE_URL and DATABASE_URL_FILE are both"
    ):
        WorkerSettings.read({})


@pytest.mark.parametrize(("content", "reason"), [(None, "No such file"), ("\n", "empty")])
def test_a_secrets_file_that_holds_none_is_told_of(
    secret: Path, content: str | None, reason: str
) -> None:
    secret.unlink()
    if content is not None:
        secret.write_text(content)
    with pytest.raises(InvalidSettingError, match=f"DATABASE_URL_FILE: .*{reason}"):
        WorkerSettings.read({})


def test_the_api_key_may_stand_in_a_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "key").write_text("a-key\n")
    monkeypatch.setenv("TEMPORAL_API_KEY_FILE", str(tmp_path / "key"))
    settings = WorkerSettings.read({"database_url": DSN})
    assert settings.temporal.read_api_key() == "a-key"
    assert settings.temporal.is_encrypted
    assert "a-key" not in repr(settings)


def test_redis_is_optional_and_its_address_a_secret(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert WorkerSettings.read({"database_url": DSN}).redis_url is None
    (tmp_path / "url").write_text("rediss://:secret@cache.example:6380/1\n")
    monkeypatch.setenv("REDIS_URL_FILE", str(tmp_path / "url"))
    url = WorkerSettings.read({"database_url": DSN}).redis_url
    assert url is not None
    assert url.get_secret_value() == "rediss://:secret@cache.example:6380/1"
    monkeypatch.delenv("REDIS_URL_FILE")
    monkeypatch.setenv("REDIS_URL", "http://cache.example")
    with pytest.raises(InvalidSettingError, match=r"REDIS_URL .*must begin with redis://"):
        WorkerSettings.read({"database_url": DSN})


@pytest.mark.parametrize(
    ("url", "plain"),
    [
        (
            "redis://:secret@cache.example/0",
            ["Redis cache.example (write rediss:// in REDIS_URL)"],
        ),
        ("redis://127.0.0.1:6379", []),
        ("rediss://cache.example", []),
        ("unix:///run/redis.sock", []),
    ],
)
def test_an_unencrypted_redis_on_another_machine_is_known(
    monkeypatch: pytest.MonkeyPatch, url: str, plain: list[str]
) -> None:
    monkeypatch.setenv("REDIS_URL", url)
    settings = WorkerSettings.read({"database_url": DSN})
    assert [str(each) for each in settings.plain_connections] == plain
