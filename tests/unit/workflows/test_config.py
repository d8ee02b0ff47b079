"""Settings come from flags, then the environment; a wrong one says which it is."""

import pytest

from workflows.config import WorkerSettings
from workflows.errors import InvalidSettingError

DSN = "postgresql://u:secret@localhost/db"


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("TEMPORAL_ADDRESS", "TEMPORAL_NAMESPACE", "DATABASE_URL"):
        monkeypatch.delenv(name, raising=False)


def test_defaults() -> None:
    settings = WorkerSettings.read({"database_url": DSN, "modules": None})
    assert settings.modules == ()
    assert settings.task_queue is None
    assert settings.temporal_address == "127.0.0.1:7233"
    assert settings.temporal_namespace == "default"
    assert settings.database_url.get_secret_value() == DSN
    assert ":secret@" not in repr(settings)


def test_a_flag_goes_before_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", DSN)
    monkeypatch.setenv("TEMPORAL_ADDRESS", "temporal:7233")
    monkeypatch.setenv("TEMPORAL_NAMESPACE", "from-environment")
    monkeypatch.setenv("NTBRIDGE_WORKER_MODULES", "qagent, qtest")
    settings = WorkerSettings.read({"temporal_namespace": "from-flag"})
    assert settings.temporal_namespace == "from-flag"
    assert settings.temporal_address == "temporal:7233"
    assert settings.modules == ("qagent", "qtest")


def test_a_missing_setting_says_how_to_give_it() -> None:
    with pytest.raises(InvalidSettingError, match="--database-url or DATABASE_URL: Field req"):
        WorkerSettings.read({})


def test_a_wrong_setting_says_where_it_came_from(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEMPORAL_ADDRESS", "nowhere")
    with pytest.raises(InvalidSettingError, match=r"TEMPORAL_ADDRESS \(environment\): String"):
        WorkerSettings.read({"database_url": DSN})
    with pytest.raises(InvalidSettingError, match=r"--temporal-address \(flag\): String"):
        WorkerSettings.read({"database_url": DSN, "temporal_address": "nowhere"})


def test_unknown_settings_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InvalidSettingError, match=r"--modlues \(flag\)"):
        WorkerSettings.read({"database_url": DSN, "modlues": "x"})
    monkeypatch.setenv("NTBRIDGE_WORKER_QUEUE", "x")
    with pytest.raises(InvalidSettingError, match=r"NTBRIDGE_WORKER_QUEUE \(environment\)"):
        WorkerSettings.read({"database_url": DSN})
